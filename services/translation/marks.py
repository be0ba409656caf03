"""The characters that stand for what is not translated, while a sentence goes through an engine.

They are of Unicode's private use area, the first mark of a sentence being U+E000, the second U+E001, and so on. Texts
that hold such characters themselves lose none: those are kept like any other thing that is not translated.
"""

import re

FIRST = 0xE000
ANY = re.compile("[\ue000-\uf7ff]")
MAX_MARKS = 64
"""Of a sentence; a table of placeholders is no sentence."""


def numbered(text: str) -> str:
    """The same with its marks counted from the first."""
    count = iter(range(FIRST, FIRST + len(text)))
    return ANY.sub(lambda _: chr(next(count)), text)


def all_there(sentence: str, translation: str) -> bool:
    """Whether a translation has each mark of its sentence once, and no other."""
    return sorted(ANY.findall(sentence)) == sorted(ANY.findall(translation))


def index(mark: str) -> int:
    return ord(mark) - FIRST


def as_words(sentence: str) -> tuple[str, dict[str, str]]:
    """A sentence with words in place of its marks, for engines that copy names they do not know, and word → mark."""
    words: dict[str, str] = {}

    def word(match: re.Match[str]) -> str:
        number = index(match[0])
        name = f"Xq{chr(97 + number // 26)}{chr(97 + number % 26)}"
        while name in sentence:
            name += "q"
        words[name] = match[0]
        return name

    return ANY.sub(word, sentence), words


def from_words(translation: str, words: dict[str, str]) -> str:
    for word, mark in words.items():
        translation = re.sub(rf"(?<!\w){word}(?!\w)", mark, translation)
    return translation
