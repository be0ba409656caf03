"""Piper's neural voices, in processes of their own.

Piper and the espeak-ng inside its wheel are GPL-3, so they are an extra of their own (`ledge[piper]`), nothing imports
them here, and what runs them (`piper_process.py`) is spoken to over pipes. Voices have licences of their own.
"""

import asyncio
import json
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from services.kit.errors import EngineFailed, InvalidInput, NotFound
from services.kit.models import CatalogEntry, ModelStore
from services.kit.worker_process import WorkerPool
from services.tts.config import TtsConfig
from services.tts.engine import Clause, Gender, Model, SpokenWord, Voice

PHONEME_TYPES = ("espeak", "text")
"""The others fetch what they need by themselves, behind the model store's back."""


class Piper:
    """All voices in the model's directory, with all their speakers, in `workers` processes."""

    def __init__(self, pool: WorkerPool, model: Model, speakers: Sequence[tuple[Voice, str, int | None]]) -> None:
        self.model = model
        self.voices = [voice for voice, _, _ in speakers]
        self._pool = pool
        self._speakers = {voice.id: (name, speaker) for voice, name, speaker in speakers}

    async def speak(self, text: str, voice: Voice, rate: float, due_s: float | None = None) -> Clause:
        name, speaker = self._speakers[voice.id]
        asked = {"voice": name, "speaker": speaker, "rate": rate}
        async with self._pool.lease(due_s) as worker:
            told, audio = await worker.call(asked, text.encode())
        return Clause(
            np.frombuffer(audio, "<f4").astype(np.float32),
            [SpokenWord(word, start_s, max(start_s, end_s)) for word, start_s, end_s in told["words"]],
        )

    async def close(self) -> None:
        await self._pool.close()


async def load_piper(config: TtsConfig) -> Piper:
    """Raises NotFound without Piper or the model, InvalidInput for a model that is no voice, EngineFailed."""
    if find_spec("piper") is None or find_spec("onnx") is None:
        raise NotFound("Piper (GPL-3) is not installed: run `pip install 'ledge[piper]'`")
    store = await asyncio.to_thread(ModelStore.from_environment)
    entry = store.catalog.entry(config.model)
    if "piper" not in entry.engines:
        raise InvalidInput(f"LEDGE_MODEL: {entry.id} runs in {', '.join(entry.engines)}, not in piper")
    directory = await asyncio.to_thread(store.require, entry.id)
    speakers = await asyncio.to_thread(read_voices, directory, entry)
    pool = WorkerPool(
        "services.tts.piper_process",
        [str(directory), str(config.threads)],
        size=config.workers,
        max_waiting=config.max_waiting_clauses,
        call_timeout_s=config.clause_timeout_s,
        name="tts",
    )
    await pool.start()
    return Piper(pool, Model(entry.id, "piper", entry.licence, entry.commercial_use), speakers)


def read_voices(directory: Path, entry: CatalogEntry) -> list[tuple[Voice, str, int | None]]:
    """Each speaker as a voice, with the name of its file and its number there.

    Raises:
        InvalidInput: a voice is of a kind that is not spoken here.
        EngineFailed: there is none, or its description cannot be read.
    """
    speakers = []
    for path in sorted(directory.rglob("*.onnx")):
        try:
            settings: dict[str, Any] = json.loads(path.with_name(f"{path.name}.json").read_text())
            kind = settings.get("phoneme_type", "espeak")
            rate_hz = int(settings["audio"]["sample_rate"])
            language = _language(settings)
            numbers: dict[str, int | None] = {path.stem: None}
            if settings["num_speakers"] > 1:
                numbers = {f"{path.stem}/{name}": int(number) for name, number in settings["speaker_id_map"].items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise EngineFailed(f"the voice {path.stem!r} has no description that can be read: {error!r}") from error
        if kind not in PHONEME_TYPES:
            raise InvalidInput(f"the voice {path.stem!r} wants phonemes of the type {kind!r}, which is not served here")
        for name, number in numbers.items():
            speakers.append((Voice(name, language, Gender.UNKNOWN, entry.licence, rate_hz), path.stem, number))
    if not speakers:
        raise EngineFailed(f"the model {entry.id!r} holds no voice")
    return speakers


def _language(settings: dict[str, Any]) -> str:
    """BCP-47 of Piper's "en_US", or of espeak's "en-us"."""
    written: str = settings.get("language", {}).get("code") or settings["espeak"]["voice"]
    language, _, region = written.replace("_", "-").partition("-")
    return f"{language}-{region.upper()}" if region else language
