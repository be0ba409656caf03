"""flite, the small synthesizer of Carnegie Mellon, as Debian packages it: English, voices built in, permissive licence.

It is C code of 2018 with global state, so it runs in processes of its own (`flite_process.py`): callers never share
one, and a text that crashes it costs one answer.
"""

import ctypes
import unicodedata

import numpy as np

from services.kit.errors import NotFound
from services.kit.worker_process import WorkerPool
from services.tts.config import TtsConfig
from services.tts.engine import Clause, Gender, Model, SpokenWord, Voice

LICENCE = "MIT-CMU"
VOICES = (
    Voice("rms", "en-US", Gender.MALE, LICENCE, 16_000),
    Voice("slt", "en-US", Gender.FEMALE, LICENCE, 16_000),
    Voice("awb", "en-GB", Gender.MALE, LICENCE, 16_000),
    Voice("kal16", "en-US", Gender.MALE, LICENCE, 16_000),
    Voice("kal", "en-US", Gender.MALE, LICENCE, 8_000),
)
# What flite's English knows, for characters that are no ASCII but are often meant as such.
_ASCII = str.maketrans({"’": "'", "‘": "'", "“": '"', "”": '"', "–": "-", "—": ", ", "…": "...", "ß": "ss", "æ": "ae",
                        "ø": "o", "ł": "l", "đ": "d", "œ": "oe", "×": " times "})  # fmt: skip


class Flite:
    """All voices of the package, in `workers` processes."""

    model = Model(id="flite", engine="flite", licence=LICENCE, commercial_use=True)
    voices = VOICES

    def __init__(self, pool: WorkerPool) -> None:
        self._pool = pool

    async def speak(self, text: str, voice: Voice, rate: float, due_s: float | None = None) -> Clause:
        plain = _as_ascii(text)
        if not any(character.isalnum() for character in plain):
            return Clause(np.zeros(0, np.float32))
        async with self._pool.lease(due_s) as worker:
            told, audio = await worker.call({"voice": voice.id, "stretch": 1 / rate}, plain.encode())
        samples = np.frombuffer(audio, "<i2").astype(np.float32) / np.float32(32768)
        words = [SpokenWord(word, start_s, max(start_s, end_s)) for word, start_s, end_s in told["words"]]
        return Clause(samples, words)

    async def close(self) -> None:
        await self._pool.close()


async def load_flite(config: TtsConfig) -> Flite:
    """Raises NotFound where flite is not installed."""
    try:
        ctypes.CDLL("libflite.so.1")
    except OSError:
        raise NotFound("flite is not installed: run `apt-get install flite` (as root), or `make packages`") from None
    pool = WorkerPool(
        "services.tts.flite_process",
        size=config.workers,
        max_waiting=config.max_waiting_clauses,
        call_timeout_s=config.clause_timeout_s,
        name="tts",
    )
    await pool.start()
    return Flite(pool)


def _as_ascii(text: str) -> str:
    """Letters without their accents; what has no letter of the Latin alphabet behind it is left out."""
    decomposed = unicodedata.normalize("NFKD", text.translate(_ASCII))
    return "".join(character for character in decomposed if " " <= character <= "~" or character == "\n")
