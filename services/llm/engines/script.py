"""What the scripted engine says: rules in YAML, the first that fits a prompt speaks.

```yaml
rules:
  - when: "(?i)capital of (\\w+)"        # a regular expression, searched in the last message
    say: "I know about \\1."             # \\1 … are its groups, {prompt} the last message
  - when: "^loop"
    say: "and on "
    endlessly: true                      # said again and again
    delay_s: 0.2                         # before the first token
  - when: "^weather"
    call: { name: weather, arguments: { city: Oslo } }    # \\1 … in its texts too
  - when: "^choose"
    say_one_of: [one, two, three]        # by the seed
  - when: "^break"
    say: "half an ans"
    fail: "the script breaks here"       # after what is said
```

What no rule fits is echoed; under a JSON schema a small instance is said; where a tool must be called the first one is.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, JsonValue, model_validator

from services.kit.yaml_document import ClosedModel, read_document


def _expression(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"{text!r} is no regular expression: {error}") from None
    return text


class ScriptedCall(ClosedModel):
    """A tool call."""

    name: str
    arguments: Mapping[str, JsonValue] = {}


class Rule(ClosedModel, str_strip_whitespace=False):
    """One of the things that are said."""

    when: Annotated[str, AfterValidator(_expression)]
    say: str = ""
    say_one_of: tuple[str, ...] = ()
    endlessly: bool = False
    call: ScriptedCall | None = None
    delay_s: Annotated[float, Field(ge=0, le=3600)] = 0
    fail: str = ""

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if sum((bool(self.say), bool(self.say_one_of), self.call is not None)) > 1:
            raise ValueError("a rule has one of say, say_one_of and call")
        if self.endlessly and not self.say:
            raise ValueError("endlessly needs something to say")
        return self

    def spoken_to(self, prompt: str, seed: int) -> Self | None:
        """The rule with what it says to this prompt filled in; None where it does not fit."""
        match = re.search(self.when, prompt)
        if match is None:
            return None
        groups = (prompt, *(group or "" for group in match.groups()))

        def filled(text: str) -> str:
            return re.sub(r"\\(\d)|\{prompt\}", lambda found: groups[int(found[1] or 0) % len(groups)], text)

        say = self.say_one_of[seed % len(self.say_one_of)] if self.say_one_of else self.say
        call = self.call
        if call is not None:
            arguments = {
                key: filled(value) if isinstance(value, str) else value for key, value in call.arguments.items()
            }
            call = call.model_copy(update={"arguments": arguments})
        return self.model_copy(update={"say": filled(say), "call": call})


class Script(ClosedModel):
    """All rules, in order."""

    rules: tuple[Rule, ...] = ()

    @classmethod
    def read(cls, path: Path | None) -> "Script":
        """Raises NotFound, InvalidInput."""
        return cls() if path is None else read_document(path, cls)


def smallest(schema: Any, depth: int = 0) -> Any:
    """A small instance of a JSON schema, as far as the common keywords go; never fails, whatever the schema is."""
    if not isinstance(schema, dict):
        return {}
    for keyword in ("const", "default"):
        if keyword in schema:
            return schema[keyword]
    if values := _list(schema, "enum"):
        return values[0]
    if choices := _list(schema, "anyOf") or _list(schema, "oneOf"):
        return smallest(choices[0], depth + 1)
    match next(iter(_list(schema, "type")), schema.get("type", "object")):
        case "string":
            return "a" * _count(schema, "minLength", 1000)
        case "integer" | "number":
            return schema.get("minimum", 0)
        case "boolean":
            return True
        case "array":
            # Not as many as the schema wants where arrays nest: their sizes multiply.
            items = range(_count(schema, "minItems", 100 if depth < 2 else 1))
            return [smallest(schema.get("items"), depth + 1) for _ in items]
        case "null":
            return None
        case _:
            properties = schema.get("properties")
            known = properties if isinstance(properties, dict) else {}
            return {str(name): smallest(known.get(str(name)), depth + 1) for name in _list(schema, "required")}


def _list(schema: Mapping[str, Any], keyword: str) -> Sequence[Any]:
    value = schema.get(keyword)
    return value if isinstance(value, list) else ()


def _count(schema: Mapping[str, Any], keyword: str, most: int) -> int:
    value = schema.get(keyword)
    return min(most, max(0, value)) if isinstance(value, int) else 0
