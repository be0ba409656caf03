"""What kind of thing would answer a question ("how tall" wants a length), and whether a text holds one.

English. Of a question in another language, and of one that says nothing about it ("tell me about …"), the kind is
unknown, and nothing is concluded from it.
"""

import re
from functools import lru_cache

CACHED_TEXTS = 8192

_NUMBER_WORD = (
    r"(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen|"
    r"eighteen|nineteen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundred|thousand|million|half|dozen|"
    r"once|twice|none|no|single|both|double|third|quarter)"
)
_NUMBER = rf"(?:\d[\d,.]*+|\b{_NUMBER_WORD}\b)"
_MONTH = (
    r"(?:January|February|March|April|May|June|July|August|September|October|November|December|"
    r"Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)"
)
_NAME = r"[A-ZÀ-Þ][\w'’-]+"
_PLACE_WORD = (
    r"(?:Tower|Street|Road|Lane|Hill|House|Works?|Station|Reservoir|River|Bridge|Hall|Park|Cross|Court|Square|Dam|Zone|"
    r"Town|City|Hospital|School|Depot|Plant|Building|Centre|Center|Avenue|The|This|In|On|At|No|For|If|When|Each)\b"
)

# Kind → how an answer of this kind looks.
_LOOKS = {
    "money": re.compile(r"[£$€]\s?\d|\d\s?(?:p|pence|pounds?|euros?|dollars?)\b|\bfree\b|\bcharge\b", re.I),
    "duration": re.compile(
        rf"{_NUMBER}[\w\s-]{{0,14}}?[\s-]?\b(?:s|ms|h|min|seconds?|minutes?|hours?|days?|weeks?|fortnights?|months?|"
        r"quarters?|years?|decades?|nights?|shifts?)\b|\bovernight\b|\buntil\b|\bat once\b|\bimmediately\b",
        re.I,
    ),
    "length": re.compile(
        rf"{_NUMBER}\s?(?:[µmck]?m|nm|metres?|meters?|kilometres?|kilometers?|centimetres?|miles?|feet|foot|ft|"
        r"inch(?:es)?|yards?)\b",
        re.I,
    ),
    "mass": re.compile(rf"{_NUMBER}\s?(?:[µmk]?g|t|tonnes?|tons?|kilograms?|kilos?|grams?|pounds?|lbs?)\b", re.I),
    "frequency": re.compile(
        r"\b(?:every|each|once|twice|daily|weekly|fortnightly|monthly|quarterly|yearly|annual(?:ly)?|hourly|per|"
        r"continu(?:ally|ously)|never|times)\b",
        re.I,
    ),
    "date": re.compile(
        rf"\b(?:1[5-9]|20)\d\d\b|\b{_MONTH}\b|\b(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)days?\b|\b\d{{1,2}}[:.]\d\d\b|"
        r"\b\d\d?(?:st|nd|rd|th)\b|\b(?:spring|summer|autumn|winter|noon|midnight|morning|evening|weekends?|weekdays?|"
        r"dawn|dusk|sunset|sunrise|Sunset|Sunrise|when|after|before|until|within|Monthly|Weekly|Daily|Yearly)\b"
    ),
    "person": re.compile(
        rf"\b(?!{_PLACE_WORD}){_NAME}(?:(?: (?:& )?| van | von | de )(?!{_PLACE_WORD}){_NAME})+"
        rf"(?! {_PLACE_WORD})|\b(?:Mr|Mrs|Ms|Dr|Sir) {_NAME}|"
        r"\b(?:manager|officer|engineer|leader|supervisor|controller|chemist|analyst|advis[eo]r|electrician|fitter|"
        r"contractor|inspector|inspectorate|director|surveyor|clerk|keeper|attendant|technician|laboratory|caretaker|"
        r"firm|supplier|customer|owner|council|committee|company)s?\b",
    ),
    # A year is no amount, nor is the number in a code.
    "number": re.compile(
        rf"(?<![\w-])(?!(?:1[5-9]|20)\d\d(?!\d|[,.]\d|\s?[%€£$°µ]))(?:\d[\d,.]*|{_NUMBER_WORD}\b)", re.I
    ),
    "telephone": re.compile(r"\b(?!(?:1[5-9]|20)\d\d\b(?! \d))\d{3,}\b"),
    "code": re.compile(r"\b[A-Z]{1,4}-?\d+\w*|\b\d{3,}\b"),
    "colour": re.compile(
        r"\b(?:red|blue|green|yellow|orange|white|black|brown|pink|purple|violet|gr[ea]y|amber|silver|gold(?:en)?|"
        r"turquoise|clear|colou?rless)\b",
        re.I,
    ),
    "temperature": re.compile(r"°|\bdegrees\b", re.I),
    "share": re.compile(r"%|\bper ?cent\b|\bhalf\b|\bthirds?\b|\bquarters?\b", re.I),
    "speed": re.compile(rf"{_NUMBER}\s?(?:km/h|mph|m/s|knots?|rpm|revolutions)", re.I),
}

_LOOKS["age"] = re.compile(rf"\baged?\b|\bborn\b|{_NUMBER}[\s-]years?\b|\bbuilt\b|\bdates? from\b|\bfounded\b", re.I)
_LOOKS["volume"] = re.compile(
    rf"{_NUMBER}\s?(?:[mckM]?l|m³|cubic|lit(?:re|er)s?|megalit(?:re|er)s?|gallons?|pints?)\b", re.I
)

_MEASURES = (
    r"pressure|flow|size|capacity|limit|rate|level|depth|height|length|width|diameter|dose|dosage|concentration|"
    r"voltage|power|output|yield|hardness|ph|volume|rating|amount|value|score|interval|setting|thickness|distance|"
    r"threshold|set point|minimum|maximum"
)

# The first that a question matches decides. Several kinds: any of them will do.
_ASKS = [
    (r"\bextension\b|\b(?:tele)?phone number\b|\bmobile number\b|\bdial\b|\bnumber.{0,20}\bring\b",
     ("telephone",)),
    (r"\bwhom? (?:do|should|can|must|may) (?:i|we|you|one) (?:ring|call|phone)\b", ("telephone", "person")),
    (r"\b(?:what|which) colou?rs?\b|\bcolou?r of\b", ("colour",)),
    (r"\b(?:stores?|part|article|account) (?:code|number)\b|\b(?:what|which) (?:code|number)\b", ("code",)),
    (r"\bhow (?:often|frequently|regularly|many times)\b", ("frequency", "duration")),
    (r"\bhow old (?:may|can|must|should)\b", ("age", "duration")),
    (r"\b(?:what|which) hours\b", ("duration", "date")),
    (r"\bhow old\b|\bwhat age\b", ("age",)),
    (r"\bhow (?:long|soon|quickly)\b|\bhow many (?:seconds|minutes|hours|days|weeks|months|years)\b",
     ("duration", "length")),
    (r"\bhow (?:far|tall|high|deep|wide|thick|broad)\b|\bhow many (?:miles|kilomet|met(?:re|er)s|feet|inches)",
     ("length",)),
    (r"\bhow heavy\b|\bhow much .{0,40}\bweighs?\b|\bweight of\b|\bhow many (?:tonnes|tons|kilo|grams)", ("mass",)),
    (r"\bhow many (?:lit(?:re|er)s|cubic|gallons)|\bhow much (?:\w+ )?water\b.{0,60}\b(?:hold|contain)", ("volume",)),
    (r"\bhow fast\b|\b(?:top |maximum )?speed\b", ("speed", "duration")),
    (r"\bhow (?:hot|cold|warm)\b|\btemperature\b", ("temperature",)),
    (r"\b(?:what|which) (?:share|percentage|proportion|part of)\b|\bhow much of\b|\bper ?cent", ("share",)),
    (r"\bhow many\b", ("number",)),
    (r"\b(?:what|which) (?:was the |is the )?(?:(?:first|last|next|earliest|latest) )?(?:year|date|day|month|time)\b|"
     r"(?:^|[,.;?!] |\b(?:and|since|until|till|by|from) )when\b|\bhow (?:late|early)\b|\bwhen (?:do|does|did|is|was|"
     r"were|are|will|can|may|must|should|has|have)\b", ("date",)),
    (r"^\W*who(?!se)m?\b", ("person",)),
    (r"\b(?:price|costs?|fees?|charges?|fine|pay|paid|salary|earns?|wages?|deposit|allowance|grant|refund)\b",
     ("money",)),
    (r"\bhow (?:much|big|large|powerful|strong|hard|loud|close|closely|steep|accurate(?:ly)?|tight(?:ly)?)\b",
     ("number",)),
    (r"(?<!those )(?<!people )(?<!person )(?<!one )\bwho(?:m|se)?\b|\bname of\b|\b(?:what|which) (?:firm|company)\b",
     ("person",)),
    (rf"\b(?:{_MEASURES})\b|\b(?:number|amount) of\b|\bhow \w+ed\b", ("number",)),
    (r"\b(?:what|which)(?: is| was| are| were)? the (?:most|least|highest|lowest|largest|smallest)\b", ("number",)),
]  # fmt: skip
_RULES = [(re.compile(pattern, re.I), kinds) for pattern, kinds in _ASKS]


def wanted(question: str) -> tuple[str, ...]:
    """The kinds of answer that would do; empty: unknown."""
    for pattern, kinds in _RULES:
        if pattern.search(question):
            return kinds
    return ()


def holds(text: str, kinds: tuple[str, ...], question: str) -> bool:
    """Whether the text holds something of one of the kinds that the question does not say itself."""
    asked = question.casefold()
    return any(found not in asked for kind in kinds for found in _found(text, kind))


@lru_cache(CACHED_TEXTS)
def _found(text: str, kind: str) -> tuple[str, ...]:
    """What looks like an answer of the kind; a segment is looked at for many questions."""
    return tuple([match.group().strip().casefold() for match in _LOOKS[kind].finditer(text)])
