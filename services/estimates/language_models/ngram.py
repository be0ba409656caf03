"""A language model of counts: exact, without weights, the same on every machine.

Each order is smoothed by the one below it with a Dirichlet prior (MacKay and Peto, 1995); below the first all tokens
are equally likely:  p_n(w | c) = (count(c w) + s · p_{n-1}(w | c')) / (count(c) + s),  where c' is c without its first
token.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

import numpy as np

from services.estimates.language_models.language_model import Logprobs

STRENGTH = 0.5
"""Of the prior, in counts."""


class NgramModel:
    """The counts. Immutable, safe to share.

    Args:
        sequences: token ids below `vocabulary_size`, each sequence for itself.
        order: how many tokens an n-gram has, at least 1.
    """

    def __init__(self, sequences: Iterable[Sequence[int]], order: int, vocabulary_size: int) -> None:
        self.order = order
        self.vocabulary_size = vocabulary_size
        self._after: dict[tuple[int, ...], Counter[int]] = defaultdict(Counter)
        for sequence in sequences:
            for place, token in enumerate(sequence):
                for length in range(min(order - 1, place) + 1):
                    self._after[tuple(sequence[place - length : place])][token] += 1

    def row(self, context: Sequence[int]) -> Logprobs:
        """Log-probabilities of what follows."""
        probabilities = np.full(self.vocabulary_size, 1.0 / self.vocabulary_size)
        for length in range(min(self.order - 1, len(context)) + 1):
            counts = self._after.get(tuple(context[len(context) - length :]))
            if counts is None:
                break
            probabilities *= STRENGTH
            for token, count in counts.items():
                probabilities[token] += count
            probabilities /= counts.total() + STRENGTH
        logprobs: Logprobs = np.log(probabilities)
        return logprobs


class NgramContext:
    """A `LanguageModel` over the counts."""

    def __init__(self, model: NgramModel) -> None:
        self._model = model
        self._tokens: list[int] = []

    @property
    def length(self) -> int:
        return len(self._tokens)

    def eval(self, tokens: Sequence[int], want: int) -> Logprobs:
        self._tokens += tokens
        end = len(self._tokens)
        seen = max(0, self._model.order - 1)
        return np.stack(
            [self._model.row(self._tokens[max(0, place - seen) : place]) for place in range(end - want + 1, end + 1)]
        )

    def rollback(self, length: int) -> None:
        del self._tokens[length:]
