"""Translates texts sentence by sentence: what is kept comes back in its place, and white space stays as it is."""

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from services.translation import marks
from services.translation.engine import Engine, Pair
from services.translation.kept import FEW_TERMS, Keeper
from services.translation.pairs import primary
from services.translation.sentences import sentences

INLINE_CHARACTERS = 2000
"""Of a request; up to so many, going to a thread and back costs more than cutting."""
SENTENCES_AT_A_TIME = 128
"""Of one request, in the engine's queue: a book does not hold up who asks for a line."""
_SPACES = re.compile(r" {2,}")


@dataclass(frozen=True)
class _Cut:
    """A text, cut: what stands before each sentence and after the last, the sentences, and what their marks mean."""

    between: list[str]
    sentences: list[str]
    kept: list[list[str]]

    def joined(self, translations: Mapping[str, str]) -> str:
        pieces = [self.between[0]]
        for sentence, kept, after in zip(self.sentences, self.kept, self.between[1:], strict=True):
            pieces += (_filled(translations[sentence], kept), after)
        return "".join(pieces)


class Translator:
    """What every engine needs done around it. Shared by all calls."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def translate(self, texts: Sequence[str], pair: Pair, terms: Mapping[str, str]) -> list[str]:
        """One translation for each text, in order.

        Args:
            terms: what is not translated → what stands there afterwards.
        """
        is_short = len(terms) <= FEW_TERMS and sum(map(len, texts)) <= INLINE_CHARACTERS
        cut = _cut_all(texts, pair, terms) if is_short else await asyncio.to_thread(_cut_all, texts, pair, terms)
        # What stands twice in a request is translated once.
        different = list(dict.fromkeys(sentence for text in cut for sentence in text.sentences))
        translations = await self._checked(different, pair)
        return [text.joined(translations) for text in cut]

    async def _checked(self, different: Sequence[str], pair: Pair) -> dict[str, str]:
        """Sentence → its translation, in which no mark is lost."""
        whole = [sentence for sentence in different if len(marks.ANY.findall(sentence)) <= marks.MAX_MARKS]
        answers = await self._in_turns(whole, pair)
        translations = {
            sentence: _tidy(sentence, answer)
            for sentence, answer in zip(whole, answers, strict=True)
            if marks.all_there(sentence, answer)
        }
        broken = [sentence for sentence in different if sentence not in translations]
        if broken:
            # The engine lost a mark, or made up one: what stands between the marks is translated by itself.
            pieces = {sentence: _pieces(sentence) for sentence in broken}
            asked = list(dict.fromkeys(core for parts in pieces.values() for _, core, _ in parts if core))
            known = dict(zip(asked, await self._in_turns(asked, pair), strict=True))
            for sentence, parts in pieces.items():
                translations[sentence] = "".join(
                    before + (_tidy(core, marks.ANY.sub("", known[core])) if core else "") + after
                    for before, core, after in parts
                )
        return translations

    async def _in_turns(self, asked: Sequence[str], pair: Pair) -> list[str]:
        answers: list[str] = []
        for start in range(0, len(asked), SENTENCES_AT_A_TIME):
            answers += await self._engine.translate(asked[start : start + SENTENCES_AT_A_TIME], pair)
        return answers


def _cut_all(texts: Sequence[str], pair: Pair, terms: Mapping[str, str]) -> list[_Cut]:
    keeper = Keeper(terms)
    return [_cut(text, keeper, pair) for text in texts]


def _cut(text: str, keeper: Keeper, pair: Pair) -> _Cut:
    marked, things = keeper.keep(text)
    left = iter(things)

    def put_back(piece: str) -> str:
        return marks.ANY.sub(lambda _: next(left), piece)

    cut, at = _Cut([], [], []), 0
    for start, end in sentences(marked, primary(pair.source)):
        sentence = marks.numbered(marked[start:end])
        cut.between.append(put_back(marked[at:start]))
        cut.sentences.append(sentence)
        cut.kept.append([next(left) for _ in marks.ANY.findall(sentence)])
        at = end
    cut.between.append(put_back(marked[at:]))
    return cut


def _filled(translation: str, kept: Sequence[str]) -> str:
    return marks.ANY.sub(lambda mark: kept[marks.index(mark[0])], translation)


def _pieces(sentence: str) -> list[tuple[str, str, str]]:
    """What stands before, in and after each piece between marks; the marks are in what stands after."""
    pieces, at = [], 0
    for start, end in [*(match.span() for match in marks.ANY.finditer(sentence)), (len(sentence), len(sentence))]:
        piece = sentence[at:start]
        core = piece.strip()
        if any(character.isalpha() for character in core):
            left = len(piece) - len(piece.lstrip())
            pieces.append((piece[:left], core, piece[left + len(core) :] + sentence[start:end]))
        else:
            pieces.append((piece, "", sentence[start:end]))
        at = end
    return pieces


def _tidy(sentence: str, translation: str) -> str:
    """Without the white space that engines leave where they drop a word."""
    translation = translation.strip()
    return translation if _SPACES.search(sentence) else _SPACES.sub(" ", translation)
