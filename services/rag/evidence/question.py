"""What a question asks: its words and how much each tells, the names in it, and the kind of answer it wants."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from services.rag.evidence.answer_kind import wanted
from services.rag.words import Word, Words

FUNCTION_WORD_WEIGHT = 0.15
"""Weight of a stop word or a mark, as a share of the rarest word's."""
LIGHT_WORD_SHARE = 0.35
"""What remains of the weight of a word that belongs to asking rather than to what is asked about."""
EARLIER_TURN_SHARE = 0.25
"""What remains of the weight of a word that stands only in the turns before: they say what "it" is, and ask no more."""

# Common in questions, rare in handbooks: that a document lacks them tells little.
_LIGHT = frozenset(
    "get got give given gives take takes taken put puts come comes came go goes went make makes made do does did have "
    "has had be let may might must should would could need needs want wants like know tell say says mean means stand "
    "stands happen happens look find use used keep set gets allow allowed able possible exactly normally usually "
    "actually really ever please still just also else many much more most least any some something anything someone "
    "somebody anyone anybody thing things kind sort way one ones people person big large small great tall high deep "
    "wide long short heavy old new far fast quick quickly soon often late early hard close closely tight there here "
    "today now currently always firm company called explain describe detail details answer question briefly summarise "
    "summarize list colleague boss customer wondering wonder wondered curious asked asking ask pls plz asap kindly "
    "sorry thanks thank hello hi name number amount share part size colour color cost costs price pay paid "
    "year day".split()
)
_NO_NAMES = frozenset(
    "i monday tuesday wednesday thursday friday saturday sunday mondays tuesdays wednesdays thursdays fridays "
    "saturdays sundays january february march april may june july august september october november december".split()
)
_UNIT = re.compile(
    r"\s?(?:[µmck]?m|[µmk]?g|[mMck]?l|kW|kVA|m²|m³|l/s|bar|°|%|V|A|Hz|mph|km/h|pence|p|per ?cent|percent|"
    r"(?:pound|litre|liter|metre|meter|mile|foot|feet|inch|inche|tonne|ton|gram|kilo|hour|minute|second|day|week|month|year|"
    r"degree|people|person|time|men|women|children|thousand|million)s?)(?!\w)"
)


@dataclass(frozen=True, slots=True)
class AskedWord:
    """A word of the question that tells something."""

    word: Word
    weight: float
    """How much it tells, above 0: the rarer the more."""
    known: bool
    """Whether any passage of the collections holds it."""


@dataclass(frozen=True, slots=True)
class Name:
    """Words that together name one thing: "PS-03", "zone C", "Corder's Ford"."""

    stems: tuple[str, ...]
    weight: float
    """Of the word that tells most."""


@dataclass(frozen=True, slots=True)
class Question:
    """A question as it is searched and judged."""

    text: str
    words: tuple[AskedWord, ...]
    """Without stop words."""
    names: tuple[Name, ...]
    kinds: tuple[str, ...]
    """Kinds of answer that would do; empty: unknown."""
    heaviest: float
    """The greatest weight that any word may have in these collections."""


def understand(
    text: str, words: Words, counts: Mapping[str, int], points: int, asked_last: str | None = None
) -> Question:
    """Takes a question apart.

    Args:
        asked_last: where `text` is several turns of a conversation, the last of them.
        counts: in how many passages each word occurs, by the word as it stands there; stop words are left out.
        points: how many passages there are.
    """
    found = words.of(text)
    last_start = len(text) - len(asked_last) if asked_last and text.endswith(asked_last) else 0
    asked = [
        AskedWord(
            word,
            _weight(word, counts[word.text], points) * (1 if word.start >= last_start else EARLIER_TURN_SHARE),
            counts[word.text] > 0,
        )
        for word in found
        if word.text in counts
    ]
    known = {entry.word.stem: entry for entry in asked}
    kinds = wanted(asked_last or text) or wanted(text)
    return Question(text, tuple(asked), names_in(found, text, known), kinds, rarity(0, points))


def rarity(count: int, points: int) -> float:
    """BM25's inverse document frequency of a word that `count` of `points` passages hold."""
    return math.log(1 + (max(points, count) - count + 0.5) / (count + 0.5))


def _weight(word: Word, count: int, points: int) -> float:
    weight = rarity(count, points)
    return weight * LIGHT_WORD_SHARE if word.text.lower() in _LIGHT else weight


def token_weights(question: Question, offsets: Sequence[int]) -> list[float]:
    """How much each token of the question counts when it is compared with a passage.

    Args:
        offsets: where the tokens stand in the question: start and end alternating.
    """
    weights = []
    for start in offsets[::2]:
        word = next((entry for entry in question.words if entry.word.start <= start < entry.word.end), None)
        weights.append(word.weight if word is not None else FUNCTION_WORD_WEIGHT * question.heaviest)
    return weights


def names_in(words: list[Word], text: str, known: Mapping[str, AskedWord]) -> tuple[Name, ...]:
    """Names: runs of capitalised or numbered words; a bare number or letter takes the word before it along."""
    runs: list[list[Word]] = []
    run: list[Word] = []
    for place, word in enumerate(words):
        before = text[words[place - 1].end : word.start] if place else ""
        if run and (before.strip(" -/") or not _names_something(word, text)):
            runs.append(run)
            run = []
        if not _names_something(word, text) or _counts_something(word, text):
            continue
        bare = (word.text.isdigit() and len(word.text) < 4) or len(word.text) == 1
        if not run and bare and place and words[place - 1].stem in known and not before.strip(" "):
            run.append(words[place - 1])
        run.append(word)
    runs += [run] if run else []
    names = {tuple(word.stem for word in run): run for run in runs}
    return tuple(
        Name(stems, max((known[word.stem].weight for word in run if word.stem in known), default=0.0))
        for stems, run in names.items()
    )


def _counts_something(word: Word, text: str) -> bool:
    """Whether a number is an amount of something rather than the name of it: "40 pounds"."""
    return word.text[0].isdecimal() and _UNIT.match(text, word.end) is not None


def _names_something(word: Word, text: str) -> bool:
    if any(map(str.isdecimal, word.text)):
        return True
    if word.text.lower() in _NO_NAMES or not word.text[0].isupper():
        return False
    before = text[: word.start].rstrip()
    if before.endswith((".", "?", "!", ":")) or not before.strip(" \"'“‘("):
        return len(word.text) > 1 and word.text.isupper()
    return word.text != "I"
