"""Settings of the embedding service."""

from services.kit.encoder.config import EncoderConfig


class EmbeddingConfig(EncoderConfig):
    """Settings of the embedding service."""

    engine: str = "ctranslate2"
    """`ctranslate2` (int8 on the CPU), `sentence-transformers` (torch; CUDA, or the CPU), or `scripted` (hashed words,
    no weights; for tests)."""
