"""Leaves out of a question what belongs to asking rather than to what is asked: greetings, thanks, lead-ins.

"Hi, quick one: could you tell me how tall the tower is? Thanks a lot!" is searched as "how tall the tower is?". Words
that no document holds would otherwise count as words that no document answers. English; what is not known stays.
The patterns are possessive, so that no wording of a question makes them go back and forth over it.
"""

import re

LEAST_WORDS = 2
"""A question is not cut to fewer words than that."""
MAX_OPENINGS = 8
"""So many lead-ins may stand one after the other."""

_SENTENCES = re.compile(r"(?<=[.!?])\s+")
_POLITE = (
    r"(?:hi|hello|hey|good (?:morning|afternoon|evening|day)|greetings|dear|thanks|thank you|many thanks|cheers|"
    r"(?:kind |best )?(?:regards|wishes)|yours|all the best|sorry|apologies|excuse me|pardon me|"
    r"please help|much appreciated|bye|goodbye)"
)
# A whole sentence of it: it begins so and asks nothing.
_NOTHING_ASKED = re.compile(rf"\W*+{_POLITE}\b[^?]*", re.I)
_OPENINGS = [
    re.compile(pattern, re.I)
    for pattern in (
        # "Hi there, …", "Sorry to bother you, but …", "OK so, …"
        rf"\W*+{_POLITE}\b(?: (?:there|all|everyone|team|folks|guys|again|to (?:bother|trouble|disturb) you))*"
        r"(?:\s*+[,:.!–-]++\s*+|\s++)(?:but\b[\s,]*)?",
        r"\W*+(?:ok(?:ay)?|so|well|right|just|um+|er+|please)\b[\s,:.!–-]+(?=\w)",
        r"\W*+(?:a |one )?(?:quick|short|small|simple) (?:one|question|query|thing)\b[^:,.?!–-]{0,30}[:,.!–-]+\s*",
        # "Could you please tell me …", "Does anybody know …", "I'd like to know …"
        r"\W*+(?:can|could|would|will) (?:you|someone|somebody|anyone|anybody)(?: (?:please|kindly|perhaps|maybe))?"
        r" (?:tell|explain to|remind|let) (?:me|us)(?: know)?(?: please)?\b[\s,:]*",
        r"\W*+(?:please |kindly )?(?:tell|remind|let) (?:me|us)(?: know)?(?: please)?\b(?! (?:about|of)\b)[\s,:]*",
        r"\W*+(?:do|does|would) (?:you|anyone|anybody|someone|somebody)(?: (?:here|there))?(?: happen to)? know\b"
        r"[\s,:]*",
        r"\W*+(?:any(?:body|one)?|some(?:body|one))(?: (?:know|knows|idea|ideas|clue))\b[\s,:]*",
        r"\W*+(?:I|we)(?:'d|'m|'ve| would| am| are| was| were| have| had| just| only| really| also)*"
        r"(?: been)?(?: (?:wondering|curious|asking myself|asking|like to know|love to know|need to know|want to know|"
        r"wanted to know|wanted to ask|want to ask|like to ask|need to ask|wonder))\b[\s,:]*",
    )
]
# An introduction that ends in a colon, is about those who talk, and names nothing.
_INTRODUCTION = re.compile(r"\W*+(?=[^:?]*\b(?:i|me|my|we|us|our)\b)[^:?\d]{1,160}:\s+(?=\S)", re.I)
# After the question: two or three words, or what is said of oneself.
_AFTERTHOUGHT = re.compile(r"\W*+(?:(?:\S+\s+){0,2}\S+|(?:I|we|my|our|it)\b[^?]*)", re.I)
_NAME_INSIDE = re.compile(r"(?<=[\w,;] )(?!I\b)[A-Z]\w")


def bare(question: str) -> str:
    """The question without courtesies; itself where nothing would be left."""
    asked = [sentence for sentence in _SENTENCES.split(question) if not _NOTHING_ASKED.fullmatch(sentence)]
    while len(asked) > 1 and "?" in "".join(asked[:-1]) and _is_afterthought(asked[-1]):
        asked.pop()
    text = " ".join(map(_without_opening, asked)).strip()
    return text if len(text.split()) >= LEAST_WORDS else question


def _is_afterthought(sentence: str) -> bool:
    names_something = _NAME_INSIDE.search(sentence) or any(map(str.isdigit, sentence))
    return "?" not in sentence and not names_something and _AFTERTHOUGHT.fullmatch(sentence) is not None


def _without_opening(sentence: str) -> str:
    introduction = _INTRODUCTION.match(sentence)
    if introduction and not _NAME_INSIDE.search(introduction.group()):
        sentence = sentence[introduction.end() :]
    for _ in range(MAX_OPENINGS):
        before = sentence
        for opening in _OPENINGS:
            match = opening.match(sentence)
            if match and len(sentence[match.end() :].split()) >= LEAST_WORDS:
                sentence = sentence[match.end() :]
        if sentence == before:
            break
    return sentence
