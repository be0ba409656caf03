"""Takes the marks of Markdown from a piece of text, which may begin and end anywhere."""

import re

from markdown_it import MarkdownIt
from markdown_it.token import Token

from services.tts.speakable.phrases import phrases_of

_CITATION = re.compile(r"[ \t]*(?:\[\^?\d{1,4}(?:\s?[,;–-]\s?\d{1,4})*\](?!\()|【[^】]{0,80}】)")
_URL = re.compile(r"<?(?:https?://|ftp://|www\.)[^\s<>()\[\]]*(?:\([^\s()]*\)[^\s<>()\[\]]*)*>?", re.I)
_TABLE_RULE = re.compile(r"^[ \t]*\|?(?:[ \t]*:?-{3,}:?[ \t]*\|)+[ \t]*(?::?-{3,}:?)?[ \t]*$", re.M)
_TABLE_ROW = re.compile(r"^[ \t]*\|(.*?)\|?[ \t]*$", re.M)
_CHECKBOX = re.compile(r"^([ \t]*(?:[-*+]|\d{1,3}[.)])[ \t]+)\[[ xX]\][ \t]+", re.M)
_EMPTIED = re.compile(r"[ \t]*\((?:see|cf\.?|véase|voir|siehe)?\s*\)", re.I)
# What begins with a digit is an amount of money.
_FORMULA = re.compile(r"\$\$([^$]{1,200})\$\$|(?<![\w$])\$(?=[^\s\d.$-])([^$\n]{0,200}?[^\s$])\$(?!\w)")
_CELL_EDGE = re.compile(r"\s*\|\s*")
_WORDS = re.compile(r"[\w’'-]+(?: [\w’'-]+)*")
_LEFT_OVER = re.compile(r"\*+|_{2,}|`+|~{2,}|^#+\s|(?<=\s)_(?=\w)|(?<=\w)_(?=\s)", re.M)
_ENDS = ".!?…:;,。！？"
_PARSER = MarkdownIt("commonmark")


def without_markdown(text: str, language: str) -> str:
    """The words of the text. Inline code that reads as words is kept, other code is not; a link is its text."""
    cited = _CITATION.sub("", text)
    text = _EMPTIED.sub("", cited) if cited != text else text
    text = _FORMULA.sub(lambda formula: formula[1] or formula[2], _CHECKBOX.sub(r"\1", text))
    text = _TABLE_ROW.sub(lambda row: _CELL_EDGE.sub(", ", row[1]).strip() + ".", _TABLE_RULE.sub("", text))
    # What is indented is mostly a list that was cut, not code.
    parsed = _PARSER.parse("\n".join(line.strip() for line in text.splitlines()))
    said: list[str] = []
    number = ""
    for token in parsed:
        if token.type == "list_item_open":
            number = f"{token.info}. " if token.info else ""
        elif token.type == "inline":
            if words := " ".join(_inline(token.children or [], language).split()):
                said.append(number + words + ("" if words[-1] in _ENDS or len(parsed) <= 3 else "."))
            number = ""
    # Of a list item that was cut behind its number only the number is left.
    return " ".join(said) + number


def _inline(children: list[Token], language: str) -> str:
    phrases = phrases_of(language)
    link = phrases.link if phrases is not None else ""
    said = []
    for child in children:
        match child.type:
            case "text":
                said.append(_LEFT_OVER.sub("", _URL.sub(lambda url: _spoken_link(url[0], link), child.content)))
            case "code_inline" if _WORDS.fullmatch(child.content):
                said.append(child.content.replace("_", " "))
            case "softbreak" | "hardbreak":
                said.append("\n")
    return "".join(said)


def _spoken_link(url: str, link: str) -> str:
    """A URL takes no part in the sentence but its place; a full stop behind it belongs to the sentence."""
    return link + (url[-1] if url[-1] in ".,;:!?" else "")
