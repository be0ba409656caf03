"""Tells the language of a text, by py3langid: a model of 4 MB in its wheel, a tenth of a millisecond a sentence.

It is loaded when first asked for, in some two seconds and 90 MB: who names the languages never pays for it.
"""

import asyncio
import threading
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from services.kit.errors import InvalidInput

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

READ_CHARACTERS = 2000
"""Of a text; more tells nothing new."""
MAX_CANDIDATES = 5
MIN_CONFIDENCE = 0.05
"""Of the best candidate; below it nothing in the text tells a language."""
SURE = 0.8
"""From here on a text is in the best candidate's language, whether or not it can be translated from there."""
# Those of the library's 140 in which things are written at work; the rest are taken for these, or these for them.
LANGUAGES = (
    "af ar az be bg bn bs ca cs cy da de el en eo es et eu fa fi fr ga gl gu he hi hr hu hy id is it ja ka kk km kn ko "
    "la lb lo lt lv mk ml mn mr ms mt my ne nl nn no oc pa pl ps pt ro ru si sk sl sq sr sv sw ta te th tl tr uk ur uz "
    "vi xh yo zh zu"
).split()


class Detector:
    """Shared by all calls; its work is done in threads."""

    def __init__(self) -> None:
        self._identifier: LanguageIdentifier | None = None
        self._loading = threading.Lock()

    async def detect(self, texts: Sequence[str]) -> list[list[tuple[str, float]]]:
        """The likely languages of each text with their confidence, best first; none where nothing tells."""
        if self._identifier is not None and sum(map(len, texts)) <= READ_CHARACTERS:
            return self._detected(texts)
        return await asyncio.to_thread(self._detected, texts)

    async def sources(self, texts: Sequence[str], possible: Collection[str]) -> list[str]:
        """The language of each text: of the possible ones, unless the text is surely in another.

        Raises:
            InvalidInput: nothing in a text tells its language.
        """
        chosen = []
        for index, candidates in enumerate(await self.detect(texts)):
            if not candidates:
                raise InvalidInput(f"nothing in text {index} tells its language: give source_language")
            best, confidence = candidates[0]
            fitting = [language for language, _ in candidates if language in possible]
            chosen.append(fitting[0] if fitting and confidence < SURE else best)
        return chosen

    def _detected(self, texts: Sequence[str]) -> list[list[tuple[str, float]]]:
        identifier = self._loaded()
        detected = []
        for text in texts:
            start = text[: 2 * READ_CHARACTERS].strip()[:READ_CHARACTERS]
            ranked = identifier.rank(start)[:MAX_CANDIDATES] if any(map(str.isalpha, start)) else []
            tells = bool(ranked) and ranked[0][1] >= MIN_CONFIDENCE
            detected.append([(language, confidence) for language, confidence in ranked if confidence >= 0.01 and tells])
        return detected

    def _loaded(self) -> "LanguageIdentifier":
        with self._loading:
            if self._identifier is None:
                from py3langid.langid import MODEL_FILE, LanguageIdentifier

                identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
                identifier.set_languages(LANGUAGES)
                self._identifier = identifier
            return self._identifier
