"""BERT sentence encoders (MiniLM, BGE, E5, GTE) in int8 on the CPU, through CTranslate2."""

from services.embedding.batched_engine import BatchedEngine
from services.embedding.config import EmbeddingConfig
from services.embedding.engine import InputType, Model
from services.kit.encoder.loading import load_encoder


def load_ctranslate2(config: EmbeddingConfig) -> BatchedEngine:
    """Blocks and raises as `load_encoder`."""
    loaded = load_encoder(config, "embedding")
    model = Model(
        id=loaded.entry.id,
        engine="ctranslate2",
        max_tokens=loaded.encoder.layout.max_tokens,
        dimensions=loaded.encoder.dimensions,
        licence=loaded.entry.licence,
        commercial_use=loaded.entry.commercial_use,
    )
    prefixes = {InputType.QUERY: loaded.query_prefix, InputType.PASSAGE: loaded.passage_prefix}
    return BatchedEngine(loaded.encoder, model, prefixes, config)
