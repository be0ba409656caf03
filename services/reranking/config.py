"""Settings of the reranking service."""

from services.kit.encoder.config import EncoderConfig


class RerankingConfig(EncoderConfig):
    """Settings of the reranking service."""

    engine: str = "late-interaction"
    """`late-interaction` (token vectors of the encoder compared, ColBERT's MaxSim), `cross-encoder` (torch; reads query
    and passage together), or `scripted` (shared words)."""
