"""A deterministic engine without weights: ten words of English and Spanish; what it does not know stays as it is."""

import re
from collections.abc import Sequence

from services.translation.engine import Model, Pair

ENGLISH = "one two three four five please open the window water".split()
SPANISH = "uno dos tres cuatro cinco favor abre la ventana agua".split()
TABLES = {
    ("en", "es"): dict(zip(ENGLISH, SPANISH, strict=True)),
    ("es", "en"): dict(zip(SPANISH, ENGLISH, strict=True)),
}
_WORD = re.compile(r"\w+")


class Scripted:
    """Word for word, in both ways."""

    models: Sequence[Model] = (Model(id="scripted", engine="scripted"),)
    pairs: Sequence[Pair] = tuple(Pair(source, target, "scripted") for source, target in TABLES)

    async def translate(self, sentences: Sequence[str], pair: Pair) -> list[str]:
        table = TABLES[pair.source, pair.target]
        return [_WORD.sub(lambda word: table.get(word[0], word[0]), sentence) for sentence in sentences]

    async def close(self) -> None:
        """Holds nothing."""
