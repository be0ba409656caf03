"""A BERT sentence encoder on CTranslate2: one unit vector a text, one unit vector a token."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from services.kit.encoder.conversion import load_converted
from services.kit.encoder.layout import read_layout
from services.kit.encoder.text import EncodedText, TokenisedText, Truncation, Vectors, normalised
from services.kit.encoder.tokenisation import Tokeniser
from services.kit.errors import EngineFailed


class SentenceEncoder:
    """One loaded model; thread-safe. `encode` blocks without the GIL; up to `inter_threads` calls run side by side.

    Args:
        directory: a model in sentence-transformers' layout, with `model.safetensors`.
        compute_type: "int8", or "float32" for twice the time and four times the memory.
        inter_threads: texts are encoded by so many threads, each with its own batch.
        intra_threads: threads within a batch. More than 1 helps a single long text, and costs throughput.

    Raises:
        EngineFailed: no usable model there.
    """

    def __init__(
        self, directory: Path, *, compute_type: str = "int8", inter_threads: int = 1, intra_threads: int = 1
    ) -> None:
        self.layout = read_layout(directory)
        self.tokeniser = Tokeniser(directory, self.layout.max_tokens)
        self._model = load_converted(directory, compute_type, inter_threads, intra_threads)
        self.dimensions = len(self.encode(self.tokeniser.tokenise(["ready"], Truncation.END), [False])[0].dense)

    def encode(self, texts: Sequence[TokenisedText], tokens: Sequence[bool]) -> list[EncodedText]:
        """Encodes one batch as it is; the caller keeps batches small and of like lengths."""
        try:
            output = self._model.forward_batch([text.ids for text in texts])
        except (RuntimeError, ValueError) as error:
            raise EngineFailed(f"the encoder failed: {error}") from error
        hidden = np.asarray(output.last_hidden_state)
        dense = np.stack([self._pooled(hidden[i, : text.token_count]) for i, text in enumerate(texts)])
        dense = normalised(dense)
        if not np.isfinite(dense).all():
            raise EngineFailed("the encoder made numbers that are not finite")
        return [
            EncodedText(dense[i], normalised(hidden[i, text.rows]) if wanted else None)
            for i, (text, wanted) in enumerate(zip(texts, tokens, strict=True))
        ]

    def _pooled(self, hidden: Vectors) -> Vectors:
        pooled: Vectors = hidden[0] if self.layout.pooling == "first" else hidden.mean(axis=0)
        return pooled
