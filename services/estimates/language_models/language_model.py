"""What a language model promises to whoever reads its probabilities, rather than its text."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

Logprobs = npt.NDArray[np.floating]


class LanguageModel(Protocol):
    """One context of one model, for one sequence. Not shared; blocks while it computes."""

    @property
    def length(self) -> int:
        """Tokens in the context."""

    def eval(self, tokens: Sequence[int], want: int) -> Logprobs:
        """Appends `tokens`, at least one, and tells what may follow each of the last `want` of them, 1 to their number.

        Returns:
            Natural logarithms of probabilities, of shape (want, vocabulary).
        """

    def rollback(self, length: int) -> None:
        """Forgets everything from the token number `length` on; `length` is at most the context's."""
