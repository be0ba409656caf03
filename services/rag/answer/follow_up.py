"""Makes a follow-up question stand alone: what it leaves out is taken from the turns before it.

Deterministic, no model: a question that points back ("And in Zone C?", "When does it close?") is searched together
with the last user turns. One that says itself what it is about is left as it is. English; elsewhere only very short
questions count as pointing back.
"""

import re
from collections.abc import Sequence

TURNS = 2
MAX_TURN_CHARACTERS = 400
MAX_QUESTION_CHARACTERS = 8192
SHORT_WORDS = 4
"""A question of so few words points back, unless it names something."""
ANTECEDENT_WORDS = 2
"""So many words of meaning before a pronoun may be what it stands for; fewer are not."""

_OPENS_BACK = re.compile(
    r"\W*(?:and|or|but|also|then|what about|how about|what if|up to|until when|since when|in that case|instead)\b", re.I
)
_ENDS_BACK = re.compile(r"\b(?:that|this|those|these|there|then|too|instead)\W*$", re.I)
_STANDS_FOR_NOTHING = re.compile(
    r"\bit (?:costs?|takes?|took) to\b|\bhow far (?:is|was) it\b|\b(?:is|was) there\b", re.I
)
_PRONOUN = re.compile(
    r"\b(?:it|its|they|them|their|theirs|he|she|him|his|her|hers|that|this|those|these|there|one|ones|same|other)\b",
    re.I,
)
# Words that may stand before a pronoun without being what it stands for.
_NO_ANTECEDENT = frozenset(
    "a an the of in on at to for from with by how what which when where who whom whose why is are was were be been am "
    "do does did has have had can could will would shall should may might must if so and or but not no much many long "
    "often soon far big large small tall high deep wide heavy old hard fast close closely powerful strong loud hot "
    "cold thick colour color kind sort size year day time price cost share part number name each all both any some "
    "exactly only also still ever before after until while because i we you me us my our your".split()
)
_NAME = re.compile(r"(?<!^)\b(?:[A-Z]\w+|\w*\d\w*)")


def stands_alone(question: str) -> bool:
    """Whether the question says itself what it is about."""
    if _OPENS_BACK.match(question) or _ENDS_BACK.search(question):
        return False
    if len(question.split()) <= SHORT_WORDS and not _NAME.search(question):
        return False
    question = _STANDS_FOR_NOTHING.sub(" ", question)
    pronoun = _PRONOUN.search(question)
    if pronoun is None:
        return True
    before = re.findall(r"\w+", question[: pronoun.start()].lower())
    return sum(word not in _NO_ANTECEDENT for word in before) >= ANTECEDENT_WORDS


def condense(question: str, user_turns: Sequence[str]) -> str:
    """The question to search by: itself, or itself after the last user turns.

    Args:
        user_turns: what the user said before, oldest first.
    """
    if not user_turns or stands_alone(question):
        return question
    turns = [turn[:MAX_TURN_CHARACTERS].strip() for turn in user_turns[-TURNS:]]
    return " ".join([*filter(None, turns), question])[-MAX_QUESTION_CHARACTERS:]
