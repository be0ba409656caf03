"""apertium: translation by rules, as Debian packages it. Small, quick, and for close or well-kept pairs good enough.

Each direction is a chain of programs of its own (`apertium_pipeline.py`), started when first asked for.
"""

import asyncio
import re
from collections.abc import Sequence
from pathlib import Path

from services.kit.batching import Batcher
from services.kit.errors import EngineFailed, NotFound
from services.translation.apertium_pipeline import Pipeline, read_stages
from services.translation.config import TranslationConfig
from services.translation.engine import Model, Pair

BATCHES_UNDER_WAY = 2
"""While the last programs work on one batch the first begin the next."""
# ISO 639-3, as apertium names languages, of the pairs that Debian packages → BCP-47.
LANGUAGES = {
    "afr": "af", "arg": "an", "ara": "ar", "bel": "be", "bre": "br", "bul": "bg", "cat": "ca", "cym": "cy", "dan": "da",
    "deu": "de", "eng": "en", "epo": "eo", "eus": "eu", "fin": "fi", "fra": "fr", "glg": "gl", "hbs": "sh", "hin": "hi",
    "ind": "id", "isl": "is", "ita": "it", "kaz": "kk", "mkd": "mk", "mlt": "mt", "msa": "ms", "nld": "nl", "nno": "nn",
    "nob": "nb", "oci": "oc", "pol": "pl", "por": "pt", "ron": "ro", "rus": "ru", "sme": "se", "slv": "sl", "spa": "es",
    "srd": "sc", "swe": "sv", "tat": "tt", "tur": "tr", "ukr": "uk", "urd": "ur",
}  # fmt: skip
_MODE = re.compile(r"([a-z]{3})-([a-z]{3})(?:_([A-Z]{2}))?")
_DATA = re.compile(r"/(apertium-[a-z-]+)/")
_LICENCE = re.compile(r"^License: (\S+)$", re.M)
# As Debian writes them → SPDX.
LICENCES = {
    "GPL-2": "GPL-2.0-only", "GPL-2+": "GPL-2.0-or-later", "GPL-3": "GPL-3.0-only", "GPL-3+": "GPL-3.0-or-later",
}  # fmt: skip
_SPECIAL = re.compile(r"[\[\]{}^$/\\@<>]")
_ESCAPED = re.compile(r"\\(.)")
# The generator takes a tilde for one of its own marks and drops it; an opening quote and an "s" are taken for "'s".
_TILDE, _INSTEAD = "~", "\uf8ff"
_OPENING = re.compile(r"(?<!\w)'(?=\w)")
_QUOTE, _INSTEAD_OF_QUOTE = "'", "\uf8fe"


class Direction:
    """One pair of languages: its chain of programs, replaced when it fails, and the queue before it."""

    def __init__(self, stages: Sequence[Sequence[str]], config: TranslationConfig, name: str) -> None:
        self._stages = stages
        self._timeout_s = config.batch_timeout_s
        self._pipeline: Pipeline | None = None
        self._starting = asyncio.Lock()
        self._alone = asyncio.Lock()
        self._batcher: Batcher[str, str | EngineFailed] = Batcher(
            self._run,
            cost=len,
            max_batch_cost=config.max_batch_characters,
            max_queue_cost=config.max_queue_characters,
            workers=BATCHES_UNDER_WAY,
            name=name,
        )

    async def translate(self, sentences: Sequence[str]) -> list[str]:
        answers = await self._batcher.submit(sentences)
        for answer in answers:
            if isinstance(answer, EngineFailed):
                raise answer
        return [answer for answer in answers if isinstance(answer, str)]

    async def _run(self, sentences: Sequence[str]) -> Sequence[str | EngineFailed]:
        try:
            return await _translated(await self._running(), sentences)
        except EngineFailed:
            return await self._one_by_one(sentences)

    async def _running(self) -> Pipeline:
        async with self._starting:
            if self._pipeline is not None and not self._pipeline.alive:
                await self._pipeline.close()
                self._pipeline = None
            if self._pipeline is None:
                self._pipeline = Pipeline(self._stages, self._timeout_s)
                await self._pipeline.start()
            return self._pipeline

    async def _one_by_one(self, sentences: Sequence[str]) -> Sequence[str | EngineFailed]:
        """So that the sentence that broke the chain breaks no other's; in a chain apart, which then ends."""
        answers: list[str | EngineFailed] = []
        async with self._alone:
            pipeline = Pipeline(self._stages, self._timeout_s)
            try:
                await pipeline.start()
                for sentence in sentences:
                    if not pipeline.alive:
                        await pipeline.close()
                        pipeline = Pipeline(self._stages, self._timeout_s)
                        await pipeline.start()
                    try:
                        answers += await _translated(pipeline, [sentence])
                    except EngineFailed as error:
                        answers.append(error)
            finally:
                await pipeline.close()
        return answers

    async def close(self) -> None:
        if self._pipeline is not None:
            await self._pipeline.close()


class Apertium:
    """All pairs that are installed."""

    def __init__(self, directions: dict[Pair, Direction]) -> None:
        self._directions = directions
        self.pairs = tuple(directions)
        names = dict.fromkeys(pair.model for pair in directions)
        self.models = tuple(Model(name, "apertium", _licence(name), commercial_use=True) for name in names)

    async def translate(self, sentences: Sequence[str], pair: Pair) -> list[str]:
        return await self._directions[pair].translate(sentences)

    async def close(self) -> None:
        await asyncio.gather(*(direction.close() for direction in self._directions.values()))


async def load_apertium(config: TranslationConfig) -> Apertium:
    """Raises NotFound where no pair of languages is installed, EngineFailed where none works."""
    directions: dict[Pair, Direction] = {}
    for mode in sorted(config.modes_dir.glob("*.mode")):
        if pair := _pair(mode):
            directions[pair] = Direction(read_stages(mode), config, f"translation-{pair.source}-{pair.target}")
    if not directions:
        raise NotFound(
            "apertium has no pair of languages here: run `apt-get install apertium-eng-spa` (as root), "
            "or `make packages`"
        )
    engine = Apertium(directions)
    # One that works shows that the programs do; the rest wait until somebody needs them.
    await engine.translate(["a"], engine.pairs[0])
    return engine


def _pair(mode: Path) -> Pair | None:
    """None for what is no pair of languages: debugging, and languages without a name here."""
    names = _MODE.fullmatch(mode.stem)
    data = _DATA.search(mode.read_text())
    if names is None or data is None or names[1] not in LANGUAGES or names[2] not in LANGUAGES:
        return None
    target = LANGUAGES[names[2]] + (f"-{names[3]}" if names[3] else "")
    return Pair(LANGUAGES[names[1]], target, data[1])


def _licence(package: str) -> str:
    """What Debian tells of the package's data; empty where it tells nothing that is known here."""
    try:
        told = _LICENCE.search((Path("/usr/share/doc") / package / "copyright").read_text())
    except OSError:
        return ""
    return LICENCES.get(told[1], "") if told else ""


async def _translated(pipeline: Pipeline, sentences: Sequence[str]) -> list[str]:
    return [_read(answer) for answer in await pipeline.translate([_written(sentence) for sentence in sentences])]


def _written(sentence: str) -> bytes:
    """As apertium's stream format wants it."""
    plain = _OPENING.sub(_INSTEAD_OF_QUOTE, sentence.replace(_TILDE, _INSTEAD))
    escaped = _SPECIAL.sub(r"\\\g<0>", plain)
    return escaped.encode()


def _read(answer: bytes) -> str:
    plain = _ESCAPED.sub(r"\1", answer.decode(errors="replace"))
    return plain.replace(_INSTEAD, _TILDE).replace(_INSTEAD_OF_QUOTE, _QUOTE)
