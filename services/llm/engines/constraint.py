"""Turns a constraint into a grammar of llguidance, which llama.cpp runs; refuses what llguidance cannot do.

llama.cpp itself drops a grammar that does not compile and generates without it, so every grammar is compiled here
first. GBNF is converted too: llama.cpp's own interpreter of it needs exponential time on some grammars, and all calls
share its thread. The conversion reads rules made of characters alone as lexemes, as long as possible; what is generated
is always in the grammar's language, but a grammar that relies on giving characters back may offer less of it.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from llguidance import LLMatcher
from llguidance.gbnf_to_lark import gbnf_to_lark

from services.kit.errors import InvalidInput
from services.llm.engine import Constraint

HEAD = "%llguidance {}\n"
COMPACT = {"whitespace_flexible": False}
"""JSON without optional white space: fewer tokens, and small models do not get lost in it."""
MAX_TOLD_CHARACTERS = 400


def to_grammar(constraint: Constraint) -> str:
    """The grammar as llama.cpp takes it. Blocks for some milliseconds. Raises InvalidInput."""
    match constraint.kind:
        case "json":
            return checked("constraint.json", HEAD + "start: " + json_rule({}))
        case "json_schema":
            schema = json.loads(constraint.text)
            if schema is False:
                raise InvalidInput("constraint.json_schema allows nothing")
            return checked("constraint.json_schema", HEAD + "start: " + json_rule({} if schema is True else schema))
        case "regex":
            return checked("constraint.regex", f"{HEAD}start: /{_delimited(constraint.text)}/")
        case "grammar":
            return checked("constraint.grammar", _converted(constraint.text))


def json_rule(schema: Mapping[str, Any]) -> str:
    """The right side of a rule that is any JSON of this schema, written compactly."""
    return "%json " + json.dumps({"x-guidance": COMPACT, **schema})


def checked(what: str, grammar: str) -> str:
    """The same grammar. Raises InvalidInput where llguidance cannot compile it."""
    fault = LLMatcher.validate_grammar(grammar)
    if fault:
        raise InvalidInput(f"{what} cannot be used: {_told(fault)}")
    return grammar


def _told(fault: str) -> str:
    """The fault without the listing that follows it, and without its place in a grammar the caller never saw."""
    lines = [line.strip() for line in fault.splitlines() if not re.match(r"\s*\d+ \|", line)]
    text = " ".join(line for line in lines if line and line.strip("^ "))
    return re.sub(r"^at \d+\(\d+\): ", "", text)[:MAX_TOLD_CHARACTERS]


def _delimited(regex: str) -> str:
    """As it may stand between slashes, on one line."""
    replaced = {"/": r"\/", "\n": r"\n", "\r": r"\r", "\\\n": r"\n", "\\\r": r"\r"}
    return re.sub(r"\\.|[/\n\r]", lambda match: replaced.get(match[0], match[0]), regex, flags=re.DOTALL)


def _converted(gbnf: str) -> str:
    try:
        return str(gbnf_to_lark(_plain_escapes(gbnf)))
    except Exception as error:
        # The converter raises bare exceptions; they say what is wrong and where.
        raise InvalidInput(f"constraint.grammar cannot be used: {_told(str(error))}") from None


def _plain_escapes(gbnf: str) -> str:
    """With \\u… and \\U… replaced by their characters: the converter writes them so that they cannot be read back."""

    def plain(match: re.Match[str]) -> str:
        code = int(match[1] or match[2], 16) if match[1] or match[2] else None
        if code is None or code > 0x10FFFF or 0xD800 <= code < 0xE000:
            return match[0]
        character = chr(code)
        needs_escape = code < 256 and (not character.isprintable() or character in '"\\[]^-/')
        return f"\\x{code:02x}" if needs_escape else character

    return re.sub(r"\\(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|.)", plain, gbnf, flags=re.DOTALL)
