"""Questions of which it is known whether the little and the big model answered them right."""

import csv
import gzip
import io
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from services.kit.errors import InvalidInput, NotFound

MAX_FILE_BYTES = 256 << 20
FORM = "CSV, gzipped or not, with the columns prompt, little_right and big_right (0 or 1)"
TEST_PERCENT = 30


@dataclass(frozen=True)
class Outcomes:
    """Row by row; `little` and `big` are 1 where that model was right."""

    prompts: Sequence[str]
    little: NDArray[np.float64]
    big: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.prompts)

    def chosen(self, rows: Sequence[int]) -> "Outcomes":
        return Outcomes([self.prompts[row] for row in rows], self.little[list(rows)], self.big[list(rows)])


def read_outcomes(path: Path) -> Outcomes:
    """Raises NotFound, InvalidInput for a file that is not there, or not of this form."""
    try:
        with path.open("rb") as file:
            packed = file.read(MAX_FILE_BYTES + 1)
        if packed[:2] == b"\x1f\x8b":
            with gzip.GzipFile(fileobj=io.BytesIO(packed)) as unpacked:
                packed = unpacked.read(MAX_FILE_BYTES + 1)
        if len(packed) > MAX_FILE_BYTES:
            raise InvalidInput(f"{path} is larger than {MAX_FILE_BYTES} bytes")
        rows = list(csv.DictReader(io.StringIO(packed.decode(), newline="")))
        prompts = [row["prompt"] for row in rows]
        little, big = ([_right(row[name]) for row in rows] for name in ("little_right", "big_right"))
    except FileNotFoundError:
        raise NotFound(f"there is no file {path}; it takes {FORM}") from None
    except (OSError, EOFError, ValueError, KeyError, TypeError, csv.Error, zlib.error) as error:
        raise InvalidInput(f"{path} cannot be read: it takes {FORM}") from error
    if not prompts or not all(prompts):
        raise InvalidInput(f"{path} has no questions: it takes {FORM}")
    return Outcomes(prompts, np.array(little), np.array(big))


def split(outcomes: Outcomes) -> tuple[Outcomes, Outcomes]:
    """What may be trained on, and the test part: by the sum of each question's text, so it is the same for ever, and a
    question that stands there twice is on one side."""
    sides = [zlib.crc32(prompt.encode()) % 100 < TEST_PERCENT for prompt in outcomes.prompts]
    return (
        outcomes.chosen([row for row, tested in enumerate(sides) if not tested]),
        outcomes.chosen([row for row, tested in enumerate(sides) if tested]),
    )


def _right(cell: str | None) -> float:
    if cell is None or cell.strip() not in ("0", "1"):
        raise ValueError(cell)
    return float(cell)
