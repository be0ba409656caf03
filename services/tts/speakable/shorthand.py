"""Writes out what writers shorten and voices would spell or misread: abbreviations, names of files and sites, signs
before numbers."""

import re

from services.tts.speakable.phrases import phrases_of

_EXTENSIONS = (
    "com|org|net|io|gov|edu|eu|co|uk|us|de|es|fr|int|pdf|txt|md|docx?|xlsx?|pptx?|csv|json|ya?ml|xml|html?|py|js"
)
_DOT = re.compile(rf"(?<=[\w-])\.(?=(?:{_EXTENSIONS})\b)")
_DOTS = {"en": "dot", "es": "punto", "fr": "point", "de": "Punkt"}
_SLASH = re.compile(r"(?<=[^\W\d])/(?=[^\W\d])")
_BEFORE_NUMBER = r"(?=\s?[-−+$€£¥]?\.?\d)"
_MONTHS = {
    "Jan": "January", "Feb": "February", "Mar": "March", "Apr": "April", "Jun": "June", "Jul": "July",
    "Aug": "August", "Sept": "September", "Sep": "September", "Oct": "October", "Nov": "November", "Dec": "December",
}  # fmt: skip
_WORDS: dict[str, dict[str, str]] = {
    "en": {
        "e.g.": "for example", "i.e.": "that is", "etc.": "et cetera", "vs.": "versus", "approx.": "approximately",
        "ca.": "about", "incl.": "including", "excl.": "excluding", "dept.": "department", "Dept.": "Department",
        "Prof.": "Professor", "Ph.D.": "P H D", "PhD": "P H D", "C#": "C sharp",
    },
    "es": {"p. ej.": "por ejemplo", "etc.": "etcétera", "aprox.": "aproximadamente"},
    "fr": {"p. ex.": "par exemple", "etc.": "et cetera", "env.": "environ"},
    "de": {
        "z. B.": "zum Beispiel", "z.B.": "zum Beispiel", "d. h.": "das heißt", "d.h.": "das heißt", "bzw.":
        "beziehungsweise", "usw.": "und so weiter", "ca.": "circa", "u. a.": "unter anderem",
    },
}  # fmt: skip
_COUNTED: dict[str, dict[str, str]] = {
    "en": {
        "No.": "number", "no.": "number", "Nos.": "numbers", "#": "number", "Fig.": "Figure", "fig.": "figure",
        "Figs.": "Figures", "Sec.": "Section", "sec.": "section", "Ch.": "Chapter", "Vol.": "Volume", "vol.": "volume",
        "Eq.": "Equation", "p.": "page", "pp.": "pages", "ext.": "extension", "min.": "minimum", "max.": "maximum",
        "§": "section", "§§": "sections", "~": "about", "≈": "about", "<": "less than", ">": "more than",
        "<=": "at most", ">=": "at least", "≤": "at most", "≥": "at least",
    },
    "es": {"n.º": "número", "núm.": "número", "~": "unos", "≈": "unos", "<": "menos de", ">": "más de",
           "≤": "como máximo", "≥": "al menos", "§": "sección"},
    "fr": {"n°": "numéro", "nº": "numéro", "~": "environ", "≈": "environ", "<": "moins de", ">": "plus de",
           "≤": "au plus", "≥": "au moins", "§": "paragraphe"},
    "de": {"Nr.": "Nummer", "Abb.": "Abbildung", "S.": "Seite", "~": "etwa", "≈": "etwa", "<": "weniger als",
           ">": "mehr als", "≤": "höchstens", "≥": "mindestens", "§": "Paragraf"},
}  # fmt: skip
"""What stands before a number."""


def _any_of(words: dict[str, str]) -> str:
    return "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))


_WORD_PATTERNS = {
    language: re.compile(rf"(?<![\w.])(?:{_any_of(words)})(?!\w)(\s*$)?") for language, words in _WORDS.items()
}
_COUNTED_PATTERNS = {
    language: re.compile(rf"(?<![\w.<>=~-])(?:{_any_of(words)}){_BEFORE_NUMBER}")
    for language, words in _COUNTED.items()
}
_MONTH = re.compile(
    rf"\b(?P<before>{_any_of(_MONTHS)})\b\.?(?=\s\d)|(?<=\d\s)(?P<after>{_any_of(_MONTHS)})\b(?:\.(?!\s*$))?"
)


def written_out(text: str, language: str) -> str:
    """The text without its shorthand; unchanged in a language without rules."""
    phrases = phrases_of(language)
    if phrases is None:
        return text
    locale = phrases.locale
    words, counted = _WORDS[locale], _COUNTED[locale]
    text = _WORD_PATTERNS[locale].sub(
        # Behind the last word of a sentence its full stop remains.
        lambda match: words[match[0].strip()] + ("." if match[1] is not None and match[0].strip()[-1] == "." else ""),
        text,
    )
    text = _COUNTED_PATTERNS[locale].sub(lambda match: f" {counted[match[0]]} ", text)
    if locale == "en":
        text = _MONTH.sub(lambda match: _MONTHS[match["before"] or match["after"]], text)
    return _DOT.sub(f" {_DOTS[locale]} ", text)


def without_slashes(text: str) -> str:
    """Words on both sides of a slash stand side by side, as people read them out."""
    return _SLASH.sub(" ", text)
