"""A text as sparse numbers: its words and pairs of words, hashed, and a few figures of its form.

The figures stand at the end of the vector, after the buckets of the words. Whoever trained a model on them must see the
same later: a change here is a new VERSION, and files of the old one are refused.
"""

import itertools
import math
import re
import zlib
from collections import Counter
from collections.abc import Mapping

VERSION = 1
BUCKETS = 8192
MAX_CHARACTERS = 20_000
"""Of a longer text its beginning and its end are read."""

_TOKEN = re.compile(r"[^\W\d_]+|\d|[^\w\s]")
_OPTION = re.compile(r"^\s*(?:[A-Ea-e]|\d{1,2})[.)]\s")
_NUMBER = re.compile(r"\d{1,6}")
_TURNS = frozenset(("not", "except", "least", "incorrect", "false", "never"))
FORM = (
    "characters", "first line's characters", "options", "an option's characters", "options' difference", "digits",
    "options' digits", "symbols", "capitals", "lines", "word length", "different words", "asks", "ends open", "gap",
    "turns", "largest number", "code",
)  # fmt: skip
SIZE = BUCKETS + len(FORM)


def features(text: str) -> Mapping[int, float]:
    """Place → value; what is not there is 0. The words have length 1 together."""
    if len(text) > MAX_CHARACTERS:
        text = text[: MAX_CHARACTERS // 2] + "\n" + text[-MAX_CHARACTERS // 2 :]
    tokens = _TOKEN.findall(text.lower())
    counts = Counter(zlib.crc32(token.encode()) % BUCKETS for token in tokens)
    counts.update(zlib.crc32(f"{first} {second}".encode()) % BUCKETS for first, second in itertools.pairwise(tokens))
    found = {place: 1 + math.log(count) for place, count in counts.items()}
    norm = math.sqrt(sum(value * value for value in found.values())) or 1.0
    found = {place: value / norm for place, value in found.items()}
    for place, value in enumerate(_form(text, tokens)):
        if value:
            found[BUCKETS + place] = value
    return found


def _form(text: str, tokens: list[str]) -> tuple[float, ...]:
    """By the names of FORM; each between 0 and about 10."""
    size = len(text) or 1
    lines = text.strip().split("\n")
    options = [line for line in lines[1:] if _OPTION.match(line)]
    option_text = "".join(options)
    sizes = [len(option) for option in options]
    words = text.split()
    mean_size = sum(sizes) / len(sizes) if sizes else 0.0
    last = next((line for line in lines if line.strip().endswith(("?", ":"))), lines[-1]).strip()
    return (
        math.log1p(len(text)),
        math.log1p(len(lines[0])),
        min(10.0, len(options)),
        math.log1p(mean_size),
        math.log1p(max(sizes) - min(sizes)) if sizes else 0.0,
        5 * sum(map(str.isdigit, text)) / size,
        3 * sum(map(str.isdigit, option_text)) / (len(option_text) + 1),
        10 * sum(character in "=+*/^()<>[]{}|$\\" for character in text) / size,
        10 * sum(map(str.isupper, text)) / size,
        math.log1p(len(lines)),
        sum(map(len, words)) / (len(words) or 1) / 5,
        len(set(tokens)) / (len(tokens) or 1),
        float(last.endswith("?")),
        float(last.endswith(":")),
        float("__" in text),
        float(any(token in _TURNS for token in tokens)),
        math.log1p(max(map(int, _NUMBER.findall(text)), default=0)),
        float("```" in text or "def " in text or "();" in text),
    )
