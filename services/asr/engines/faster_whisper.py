"""Whisper by CTranslate2 and the pieces of faster-whisper: one model for all streams, whose windows are batched.

Windows are as short as the speech allows (`LEDGE_WINDOW_S`), where faster-whisper always computes 30 s; on a CPU
each worker has a core of its own. See `services/asr/whisper`.
"""

import asyncio
import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from services.asr.config import AsrConfig
from services.asr.engine import SAMPLE_RATE_HZ, Model, Options
from services.asr.whisper.decoder import WhisperDecoder
from services.asr.whisper.utterance import WhisperSession
from services.asr.whisper.window import Asked
from services.asr.whisper.window_batcher import BatcherSettings, WindowBatcher
from services.kit.errors import EngineFailed, InvalidInput, NotFound
from services.kit.models import CatalogEntry, ModelStore

DEFAULT_MODEL = "whisper-base"
FILES = ("model.bin", "config.json", "tokenizer.json")
"""Without its tokeniser faster-whisper would look for one at the hub."""
UNTAUGHT = "turbo"
"""Whisper large-v3-turbo was trained without translation, and writes what it hears."""


class FasterWhisper:
    """One Whisper model for all streams."""

    def __init__(self, decoder: WhisperDecoder, model: Model, config: AsrConfig, workers: int) -> None:
        self.model = model
        self._decoder = decoder
        self._config = config
        self._batcher = WindowBatcher(
            decoder.decode,
            BatcherSettings(
                workers=workers,
                most_windows=config.batch_windows,
                max_waiting=config.max_waiting_utterances,
                objective_s=config.final_objective_s,
            ),
        )

    def session(self, options: Options, *, live: bool) -> WhisperSession:
        asked = Asked(
            options.language, options.task, self._decoder.hotword_tokens(options.hotwords), options.word_times
        )
        return WhisperSession(
            self._batcher, asked, live=live, step_s=self._config.window_s, beam_size=self._config.beam_size
        )

    async def close(self) -> None:
        await self._batcher.close()


async def load_faster_whisper(config: AsrConfig) -> FasterWhisper:
    """Raises NotFound without faster-whisper or the model, InvalidInput for another model, EngineFailed."""
    if find_spec("faster_whisper") is None:
        raise NotFound("faster-whisper is not installed: run `pip install 'ledge[faster-whisper]'`")
    store = await asyncio.to_thread(ModelStore.from_environment)
    entry = store.catalog.entry(config.model or DEFAULT_MODEL)
    if "faster-whisper" not in entry.engines:
        raise InvalidInput(f"LEDGE_MODEL: {entry.id} runs in {', '.join(entry.engines)}, not in faster-whisper")
    directory = await asyncio.to_thread(store.require, entry.id)
    workers = config.workers or (len(os.sched_getaffinity(0)) if config.device == "cpu" else 1)
    decoder = await asyncio.to_thread(_load, directory, config, workers)
    engine = FasterWhisper(decoder, _model(entry, decoder), config, workers)
    # Primed: the first windows take longer, and tell how long later ones will take.
    for _ in range(2):
        await asyncio.gather(*(_hear_nothing(engine) for _ in range(workers)))
    return engine


def _load(directory: Path, config: AsrConfig, workers: int) -> WhisperDecoder:
    missing = [name for name in FILES if not (directory / name).exists()]
    if missing:
        raise EngineFailed(f"{directory.name} lacks {', '.join(missing)}")
    from faster_whisper import WhisperModel

    compute_type = config.compute_type or ("int8" if config.device == "cpu" else "float16")
    try:
        model: Any = WhisperModel(
            str(directory),
            device=config.device,
            compute_type=compute_type,
            cpu_threads=config.threads,
            num_workers=workers,
            local_files_only=True,
        )
        return WhisperDecoder(model)
    except (RuntimeError, ValueError, OSError) as error:
        raise EngineFailed(
            f"{directory.name} cannot be loaded on {config.device} as {compute_type}: {error}"
        ) from error


def _model(entry: CatalogEntry, decoder: WhisperDecoder) -> Model:
    return Model(
        id=entry.id,
        engine="faster-whisper",
        languages=decoder.languages,
        detects_language=decoder.multilingual,
        hotwords=True,
        translates=decoder.multilingual and UNTAUGHT not in entry.id,
        licence=entry.licence,
        commercial_use=entry.commercial_use,
    )


async def _hear_nothing(engine: FasterWhisper) -> None:
    session = engine.session(Options(), live=False)
    session.admitted = True
    async with session.listen() as utterance:
        await utterance.feed(np.zeros(SAMPLE_RATE_HZ, np.float32))
        await utterance.finish()
