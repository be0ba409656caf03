"""A guess from `features`, and the file that it lies in: data, with its provenance.

It is linear in the words. In the form it is linear too, or, where there are centres, a sum of bells around them (a
radial basis function network): what a form says of a text is no straight line.

```json
{"kind": "lexical", "version": 1, "guesses": "log-answer-tokens", "bias": 4.2, "words": "<base64, float16>",
 "form_mean": [...], "form_scale": [...], "form": [...], "centres": [[...], ...], "heights": [...],
 "provenance": {"data": "...", "examples": 1500, ...}}
```
"""

import base64
import binascii
import json
import math
import operator
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Self

from services.estimates.lexical.features import BUCKETS, FORM, VERSION, features
from services.kit.bounded_file import read_bounded
from services.kit.errors import EngineFailed, InvalidInput

MAX_FILE_BYTES = 1 << 20
MAX_CENTRES = 1024
BELL_WIDTH = 10 / 3
"""Standard deviation of a bell, in those of the figures of form."""


@dataclass(frozen=True)
class LexicalModel:
    """Immutable, shared by all threads."""

    guesses: str
    """What its score is: of another thing's file nobody makes use by mistake."""
    bias: float
    words: Sequence[float]
    form_mean: Sequence[float]
    form_scale: Sequence[float]
    form: Sequence[float]
    provenance: Mapping[str, Any]
    centres: Sequence[Sequence[float]] = ()
    """Forms of texts that it was trained on, each figure in standard deviations from its mean."""
    heights: Sequence[float] = ()
    """What the bell around each of them adds at its top."""

    def score(self, text: str) -> float:
        """In a fraction of a millisecond for a page of text; always finite."""
        total = self.bias
        form = [0.0] * len(FORM)
        for place, value in features(text).items():
            if place < BUCKETS:
                total += self.words[place] * value
            else:
                form[place - BUCKETS] = value
        told = [
            (value - mean) / scale for value, mean, scale in zip(form, self.form_mean, self.form_scale, strict=True)
        ]
        total += sum(map(operator.mul, self.form, told))
        for centre, height in zip(self.centres, self.heights, strict=True):
            total += height * math.exp(-0.5 * (math.dist(told, centre) / BELL_WIDTH) ** 2)
        return float(total)

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": "lexical",
            "version": VERSION,
            "guesses": self.guesses,
            "bias": self.bias,
            "words": base64.b64encode(struct.pack(f"<{BUCKETS}e", *self.words)).decode(),
            "form_mean": list(self.form_mean),
            "form_scale": list(self.form_scale),
            "form": list(self.form),
            "centres": [list(centre) for centre in self.centres],
            "heights": list(self.heights),
            "provenance": dict(self.provenance),
        }

    @classmethod
    def from_json(cls, told: Any, guesses: str) -> Self:
        """Raises ValueError for what is no model of this, in words for people."""
        if not isinstance(told, dict) or told.get("kind") != "lexical":
            raise ValueError("it is no lexical model")
        if told.get("version") != VERSION:
            raise ValueError(f"it was trained for version {told.get('version')} of the features; this is {VERSION}")
        if told.get("guesses") != guesses:
            raise ValueError(f"it guesses {told.get('guesses')!r}, and {guesses!r} is wanted")
        try:
            words = struct.unpack(f"<{BUCKETS}e", base64.b64decode(told["words"], validate=True))
            form, mean, scale = ([float(value) for value in told[name]] for name in ("form", "form_mean", "form_scale"))
            bias = float(told["bias"])
            centres = [[float(value) for value in centre] for centre in told.get("centres", [])]
            heights = [float(value) for value in told.get("heights", [])]
            provenance = dict(told.get("provenance", {}))
        except (KeyError, TypeError, ValueError, struct.error, binascii.Error, OverflowError):
            raise ValueError("its numbers cannot be read") from None
        finite = all(map(math.isfinite, (*words, *form, *mean, *scale, *heights, *chain(*centres), bias)))
        of_form = {len(each) for each in (form, mean, scale, *centres)}
        if not finite or of_form != {len(FORM)} or min(map(abs, scale)) == 0:
            raise ValueError("its numbers cannot be read")
        if len(centres) != len(heights) or len(centres) > MAX_CENTRES:
            raise ValueError(f"it has {len(centres)} centres and {len(heights)} heights, of at most {MAX_CENTRES}")
        return cls(guesses, bias, words, mean, scale, form, provenance, centres, heights)


def read_model(path: Path, guesses: str) -> LexicalModel:
    """Raises NotFound, InvalidInput for a file that is not there, or no model of this."""
    content = read_bounded(path, MAX_FILE_BYTES)
    try:
        return LexicalModel.from_json(json.loads(content), guesses)
    except RecursionError:
        raise InvalidInput(f"{path}: it is no lexical model") from None
    except ValueError as error:
        why = "it is no JSON" if isinstance(error, json.JSONDecodeError | UnicodeDecodeError) else error
        raise InvalidInput(f"{path}: {why}") from None


def write_json(path: Path, told: Mapping[str, Any]) -> None:
    """The file of a model, or of what holds one."""
    try:
        path.write_text(json.dumps(told, indent=1) + "\n")
    except OSError as error:
        raise EngineFailed(f"cannot write {path}: {error.strerror}") from error
