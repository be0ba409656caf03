"""Which questions are held out together in a cross-validation: those that share an answer, for they may be the same
question in other words, and a fit that has seen one knows the other."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def grouped(answers: Sequence[Sequence[str]]) -> NDArray[np.intp]:
    """A number for each question; the same for questions that share an answer, directly or over others."""
    numbers = list(range(len(answers)))

    def first_of(number: int) -> int:
        while numbers[number] != number:
            number = numbers[number]
        return number

    seen: dict[str, int] = {}
    for number, texts in enumerate(answers):
        for text in texts:
            other = seen.setdefault(text.casefold(), number)
            numbers[first_of(number)] = first_of(other)
    return np.array([first_of(number) for number in range(len(answers))], np.intp)


def folds(groups: NDArray[np.intp], count: int, seed: int) -> NDArray[np.intp]:
    """The fold of each question: groups are shuffled and dealt out."""
    known = np.unique(groups)
    fold_of = dict(zip(np.random.default_rng(seed).permutation(known).tolist(), range(len(known)), strict=True))
    return np.array([fold_of[group] % count for group in groups.tolist()], np.intp)
