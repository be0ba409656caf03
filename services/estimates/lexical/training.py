"""Fits a LexicalModel by ridge regression: conjugate gradients over sparse rows, seconds for ten thousand texts.

The bells over the form are the Nyström approximation of a Gaussian kernel (Williams and Seeger, 2000, section 2) around
some of the texts.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.estimates.lexical.features import BUCKETS, FORM, features
from services.estimates.lexical.model import BELL_WIDTH, LexicalModel
from services.kit.errors import InvalidInput

Floats = NDArray[np.float64]
LEAST_EXAMPLES = 20
RIDGE = 100.0
"""Chosen on a development part of MMLU's outcomes, where all between 30 and 300 do as well."""
FORM_WEIGHT = 0.3
"""Of a figure of form beside all the words together."""
MOST_STEPS = 200
LEAST_EIGENVALUE = 1e-6
"""Of the centres' kernel; below it two of them say the same."""


@dataclass(frozen=True)
class Texts:
    """Texts as sparse rows; made once where many models are fitted."""

    starts: NDArray[np.int64]
    places: NDArray[np.int64]
    values: Floats
    form: Floats

    def __len__(self) -> int:
        return len(self.form)

    def chosen(self, rows: Sequence[int]) -> "Texts":
        """Some of them, in this order."""
        ends = np.append(self.starts[1:], len(self.places))
        picked = [np.arange(self.starts[row], ends[row]) for row in rows]
        sizes = np.array([len(one) for one in picked], np.int64)
        flat = np.concatenate(picked) if picked else np.zeros(0, np.int64)
        starts = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int64)
        return Texts(starts, self.places[flat], self.values[flat], self.form[np.asarray(rows)])

    def times(self, words: Floats) -> Floats:
        """The words' part of each text's score."""
        # A row without words would take its neighbour's first.
        products = np.append(self.values * words[self.places], 0.0)
        sums = np.add.reduceat(products, self.starts)
        empty = np.append(self.starts[1:], len(self.places)) == self.starts
        return np.where(empty, 0.0, sums)

    def gathered(self, weights: Floats) -> Floats:
        """Each bucket's sum over the texts."""
        sizes = np.diff(np.append(self.starts, len(self.places)))
        sums: Floats = np.bincount(self.places, self.values * np.repeat(weights, sizes), BUCKETS).astype(np.float64)
        return sums


def read_texts(texts: Sequence[str]) -> Texts:
    """Takes about half a millisecond a text."""
    rows = [features(text) for text in texts]
    words = [[(place, value) for place, value in row.items() if place < BUCKETS] for row in rows]
    starts = np.concatenate([[0], np.cumsum([len(row) for row in words])[:-1]]).astype(np.int64)
    pairs = list(itertools.chain.from_iterable(words))
    form = np.array([[row.get(BUCKETS + place, 0.0) for place in range(len(FORM))] for row in rows])
    places = np.array([place for place, _ in pairs], np.int64)
    return Texts(starts, places, np.array([value for _, value in pairs]), form.reshape(len(rows), len(FORM)))


def train(
    texts: Texts,
    targets: Sequence[float],
    guesses: str,
    provenance: Mapping[str, Any],
    ridge: float = RIDGE,
    centres: int = 0,
) -> LexicalModel:
    """Least squares of the targets, the weights kept small. Deterministic.

    Args:
        centres: around the form of so many of the texts are bells, instead of weights of its figures; fewer where there
            are fewer texts.

    Raises InvalidInput for too few examples.
    """
    if len(texts) < LEAST_EXAMPLES or len(texts) != len(targets):
        raise InvalidInput(f"{len(texts)} examples; it takes {LEAST_EXAMPLES} at least")
    wanted = np.asarray(targets, float)
    bias = float(wanted.mean())
    mean, scale = texts.form.mean(0), texts.form.std(0)
    scale[scale < 1e-6] = 1.0
    form = (texts.form - mean) / scale
    chosen = form[np.unique(np.linspace(0, len(form) - 1, centres).astype(int))]
    # What the weights of form stand for: figures, or bells that are made independent of one another.
    spread = _spread(chosen) if centres else FORM_WEIGHT * np.eye(len(FORM))
    form = (_bells(form, chosen) if centres else form) @ spread

    def forward(weights: Floats) -> Floats:
        told: Floats = texts.times(weights[:BUCKETS]) + form @ weights[BUCKETS:]
        return told

    def backward(errors: Floats) -> Floats:
        return np.concatenate([texts.gathered(errors), form.T @ errors])

    weights = _solved(lambda vector: backward(forward(vector)) + ridge * vector, backward(wanted - bias))
    # Neither words nor bells sum to nothing over the texts; what they add on the mean is the bias's.
    bias -= float(forward(weights).mean())
    of_form = (spread @ weights[BUCKETS:]).tolist()
    return LexicalModel(
        guesses,
        bias,
        [float(np.float16(value)) for value in weights[:BUCKETS]],
        mean.tolist(),
        scale.tolist(),
        [0.0] * len(FORM) if centres else of_form,
        {**provenance, "examples": len(texts), "ridge": ridge},
        chosen.tolist(),
        of_form if centres else [],
    )


def scores(model: LexicalModel, texts: Texts) -> Floats:
    """Of many texts at once; the same as `model.score` of each."""
    form = (texts.form - np.asarray(model.form_mean)) / np.asarray(model.form_scale)
    told: Floats = model.bias + texts.times(np.asarray(model.words)) + form @ np.asarray(model.form)
    if model.centres:
        told += _bells(form, np.asarray(model.centres)) @ np.asarray(model.heights)
    return told


def _bells(forms: Floats, centres: Floats) -> Floats:
    """How near each form is to each centre: 1 where it is the same, else less."""
    squared = (forms**2).sum(1)[:, None] + (centres**2).sum(1) - 2 * forms @ centres.T
    near: Floats = np.exp(-0.5 * np.maximum(squared, 0.0) / BELL_WIDTH**2)
    return near


def _spread(centres: Floats) -> Floats:
    """Bells times this have inner products as the Gaussian kernel has them."""
    values, vectors = np.linalg.eigh(_bells(centres, centres))
    kept = values > LEAST_EIGENVALUE
    spread: Floats = vectors[:, kept] / np.sqrt(values[kept])
    return spread


def _solved(multiply: Any, wanted: Floats) -> Floats:
    """Conjugate gradients, for a symmetric positive matrix that is only known by its products."""
    found = np.zeros_like(wanted)
    left = wanted.copy()
    direction = left.copy()
    size = float(left @ left)
    enough = 1e-10 * size
    for _ in range(MOST_STEPS):
        if size <= enough:
            break
        product = multiply(direction)
        step = size / float(direction @ product)
        found += step * direction
        left -= step * product
        before, size = size, float(left @ left)
        direction = left + size / before * direction
    return found
