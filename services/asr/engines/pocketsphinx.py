"""pocketsphinx: English, in real time on any CPU, its model in its wheel.

Its decoder holds the interpreter's lock, so decoders run in processes. An utterance takes a decoder while it is spoken
as long as one more stays free for utterances that have ended; else it waits in memory and is decoded at its end, in
about a tenth of its length.

Only when some of a stream was heard is it known how it sounds, and without that one word in six is wrong that is right
with it. So its first utterance is decoded anew after two seconds, while it is spoken; a shorter one when it is over.
"""

import contextlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.util import find_spec

import numpy as np

from services.asr.config import AsrConfig
from services.asr.engine import SAMPLE_RATE_HZ, Hypothesis, Model, Options, Samples, Utterance, Word
from services.asr.vad import FRAME_SAMPLES
from services.kit.errors import NotFound
from services.kit.worker_process import Worker, WorkerPool

STEP_SAMPLES = SAMPLE_RATE_HZ // 2
"""Decoded in one call while an utterance is spoken."""
ENOUGH_BYTES = 2 * 63 * FRAME_SAMPLES
"""Two seconds, of which half a second is from before the speech. Of 363 words 54 were wrong so, and 51 where the whole
utterance was decoded again at its end, which took six times as long. Always the same two, however the audio is cut."""
LANGUAGE = "en-US"
DEFAULT_WORKERS = 2


class Pocketsphinx:
    """The English model in `workers` processes."""

    model = Model(
        id="pocketsphinx-en-us",
        engine="pocketsphinx",
        languages=(LANGUAGE,),
        licence="BSD-2-Clause",
        commercial_use=True,
    )

    def __init__(self, pool: WorkerPool, workers: int) -> None:
        self._pool = pool
        # Of one worker live utterances take turns.
        self._kept_free = min(1, workers - 1)

    def session(self, options: Options, *, live: bool) -> "_Session":
        return _Session(self._pool, self._kept_free, live)

    async def close(self) -> None:
        await self._pool.close()


class _Session:
    def __init__(self, pool: WorkerPool, kept_free: int, live: bool) -> None:
        self.pool = pool
        self.live = live
        self.kept_free = kept_free
        self.mean = ""
        """How this stream sounds; empty until its first utterance is over."""

    @asynccontextmanager
    async def listen(self) -> AsyncIterator[Utterance]:
        async with AsyncExitStack() as stack:
            yield _Decoded(self, stack)


class _Decoded:
    """An utterance; its audio is kept until it is over."""

    def __init__(self, session: _Session, stack: AsyncExitStack) -> None:
        self._session = session
        self._stack = stack
        self._worker: Worker | None = None
        self._audio = bytearray()
        self._decoded_bytes = 0
        self._heard: str | None = None
        self._mean = session.mean

    async def feed(self, samples: Samples) -> None:
        self._audio += (np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes()
        session = self._session
        if self._worker is None and session.live and session.pool.idle > session.kept_free:
            self._worker = await self._lease()
            await self._worker.call({"do": "start", "mean": self._mean})
        if self._worker is not None:
            if not self._mean and len(self._audio) >= ENOUGH_BYTES:
                await self._begin_anew(self._worker)
            await self._decode(self._worker)

    async def partial(self) -> str | None:
        return self._heard

    def pause(self) -> None:
        """Its decoder keeps up with the speaker, and needs no early start."""

    def resume(self) -> None:
        """Nothing was begun."""

    async def finish(self) -> Hypothesis:
        if self._worker is not None and self._mean:
            told, _ = await self._worker.call({"do": "finish"})
        else:
            worker = self._worker or await self._lease()
            told, _ = await worker.call({"do": "whole"}, bytes(self._audio))
        self._session.mean = told["mean"]
        words = [Word(text, start_s, end_s, confidence) for text, start_s, end_s, confidence in told["words"]]
        confidence = sum(word.confidence or 0.0 for word in words) / len(words) if words else None
        return Hypothesis(told["text"], LANGUAGE, words, confidence)

    async def _lease(self) -> Worker:
        return await self._stack.enter_async_context(self._session.pool.lease())

    async def _begin_anew(self, worker: Worker) -> None:
        told, _ = await worker.call({"do": "mean"}, bytes(self._audio[:ENOUGH_BYTES]))
        self._mean = told["mean"]
        await worker.call({"do": "start", "mean": self._mean})
        self._decoded_bytes = 0

    async def _decode(self, worker: Worker) -> None:
        while self._decoded_bytes < len(self._audio):
            step = bytes(self._audio[self._decoded_bytes : self._decoded_bytes + 2 * STEP_SAMPLES])
            self._decoded_bytes += len(step)
            told, _ = await worker.call({"do": "feed"}, step)
            self._heard = told["text"]


async def load_pocketsphinx(config: AsrConfig) -> Pocketsphinx:
    """Raises NotFound where pocketsphinx is not installed."""
    if find_spec("pocketsphinx") is None:
        raise NotFound("pocketsphinx is not installed: run `pip install 'ledge[asr]'`")
    workers = config.workers or DEFAULT_WORKERS
    pool = WorkerPool(
        "services.asr.pocketsphinx_process",
        size=workers,
        max_waiting=config.max_waiting_utterances,
        call_timeout_s=config.decode_timeout_s,
        name="asr",
    )
    await pool.start()
    engine = Pocketsphinx(pool, workers)
    # Primed: the first utterance of a decoder takes longer.
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(workers):
            utterance = await stack.enter_async_context(engine.session(Options(), live=False).listen())
            await utterance.feed(np.zeros(STEP_SAMPLES, np.float32))
            await utterance.finish()
    return engine
