"""Tells speech from everything else, 32 ms at a time: Silero's detector, version 6, by ONNX Runtime.

Its file comes with the faster-whisper wheel, which is not imported.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from services.asr.engine import SAMPLE_RATE_HZ, Samples
from services.kit.errors import NotFound

FRAME_SAMPLES = 512
FRAME_S = FRAME_SAMPLES / SAMPLE_RATE_HZ
CONTEXT_SAMPLES, STATE_SHAPE = 64, (1, 1, 128)
BATCH_FRAMES = 512
TOGETHER_FRAMES = 48
"""Of all streams that wait, so many are done, some 3 ms, before the first of them is told: a hop between threads costs
more than the few frames of one stream."""
Likely = NDArray[np.float32]


class VoiceDetector:
    """The model, shared by all streams of an event loop; each has a `VoiceStream`.

    Raises NotFound where the model's file is missing.
    """

    def __init__(self, threads: int) -> None:
        package = find_spec("faster_whisper")
        if package is None or not package.submodule_search_locations:
            raise NotFound("the voice activity detector is not installed: run `pip install 'ledge[asr]'`")
        options = onnxruntime.SessionOptions()
        options.inter_op_num_threads = options.intra_op_num_threads = 1
        options.enable_cpu_mem_arena = False
        session = onnxruntime.InferenceSession(
            Path(package.submodule_search_locations[0]) / "assets" / "silero_vad_v6.onnx",
            sess_options=options,
            providers=["CPUExecutionProvider"],
        )
        self._work = _Work(session, threads)

    def stream(self) -> "VoiceStream":
        return VoiceStream(self._work)

    def close(self) -> None:
        self._work.close()


class VoiceStream:
    """What the detector remembers of one stream; used by one task."""

    def __init__(self, work: "_Work") -> None:
        self._work = work
        self._context = np.zeros(CONTEXT_SAMPLES, np.float32)
        self._hidden, self._cell = np.zeros(STATE_SHAPE, np.float32), np.zeros(STATE_SHAPE, np.float32)

    async def probabilities(self, samples: Samples) -> Likely:
        """How likely each frame is speech; `samples` are whole frames of `FRAME_SAMPLES`."""
        size = BATCH_FRAMES * FRAME_SAMPLES
        found = [await self._work.done(self, samples[start : start + size]) for start in range(0, len(samples), size)]
        return found[0] if len(found) == 1 else np.concatenate([np.zeros(0, np.float32), *found])

    def run(self, session: onnxruntime.InferenceSession, samples: Samples) -> Likely:
        """The next of its frames, in a thread."""
        frames = samples.reshape(-1, FRAME_SAMPLES)
        heard = np.empty((len(frames), CONTEXT_SAMPLES + FRAME_SAMPLES), np.float32)
        heard[:, CONTEXT_SAMPLES:] = frames
        heard[0, :CONTEXT_SAMPLES] = self._context
        heard[1:, :CONTEXT_SAMPLES] = frames[:-1, -CONTEXT_SAMPLES:]
        found, self._hidden, self._cell = session.run(None, {"input": heard, "h": self._hidden, "c": self._cell})
        self._context = heard[-1, -CONTEXT_SAMPLES:].copy()
        likely: Likely = np.asarray(found, np.float32).reshape(-1)
        return likely


@dataclass(frozen=True, slots=True)
class _Asked:
    stream: VoiceStream
    samples: Samples
    found: asyncio.Future[Likely]


class _Work:
    """What streams wait for, in order; each thread takes as much of it at a time as `TOGETHER_FRAMES`."""

    def __init__(self, session: onnxruntime.InferenceSession, threads: int) -> None:
        self._session = session
        self._threads = threads
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="vad")
        self._waiting: deque[_Asked] = deque()
        self._working = 0
        self._is_closed = False
        self._lock = threading.Lock()

    async def done(self, stream: VoiceStream, samples: Samples) -> Likely:
        """The likelihoods, when its turn has come."""
        loop = asyncio.get_running_loop()
        found: asyncio.Future[Likely] = loop.create_future()
        with self._lock:
            if self._is_closed:
                raise RuntimeError("the detector is closed")
            self._waiting.append(_Asked(stream, samples, found))
            is_helped = self._working < self._threads
            self._working += is_helped
        if is_helped:
            self._executor.submit(self._do_all, loop)
        return await found

    def close(self) -> None:
        """On the event loop."""
        with self._lock:
            self._is_closed = True
            while self._waiting:
                self._waiting.popleft().found.cancel()
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _do_all(self, loop: asyncio.AbstractEventLoop) -> None:
        while taken := self._taken():
            results = [self._result(asked) for asked in taken]
            if loop.is_closed():
                return
            loop.call_soon_threadsafe(_tell, taken, results)

    def _taken(self) -> list[_Asked]:
        """Empty where this thread is done."""
        taken: list[_Asked] = []
        samples = 0
        with self._lock:
            while self._waiting and (not taken or samples < TOGETHER_FRAMES * FRAME_SAMPLES):
                asked = self._waiting.popleft()
                if not asked.found.cancelled():
                    taken.append(asked)
                    samples += len(asked.samples)
            if not taken:
                self._working -= 1
        return taken

    def _result(self, asked: _Asked) -> Likely | Exception:
        try:
            return asked.stream.run(self._session, asked.samples)
        except Exception as error:
            return error


def _tell(taken: Sequence[_Asked], results: Sequence[Likely | Exception]) -> None:
    for asked, result in zip(taken, results, strict=True):
        if asked.found.done():
            # Whoever asked is gone.
            continue
        if isinstance(result, Exception):
            asked.found.set_exception(result)
        else:
            asked.found.set_result(result)
