"""BERT sentence encoders (MiniLM, BGE, E5, GTE) in int8 on the CPU, through CTranslate2."""

from services.embedding.batched_engine import EncoderEngine
from services.embedding.config import EmbeddingConfig
from services.embedding.engine import InputType, Model
from services.kit.encoder.sentence import SentenceEncoder
from services.kit.models import ModelStore


def load_ctranslate2(config: EmbeddingConfig) -> EncoderEngine:
    """Blocks until the model is here, loaded and primed.

    Raises:
        NotFound: no such model in the catalogue, or not here and not to be fetched.
        EngineFailed: it cannot be loaded.
    """
    store = ModelStore.from_environment()
    entry = store.catalog.entry(config.model)
    encoder = SentenceEncoder(
        store.require(config.model),
        compute_type=config.compute_type,
        inter_threads=config.workers,
        intra_threads=config.threads_per_worker,
    )
    layout = encoder.layout
    prefixes = {
        InputType.QUERY: layout.query_prefix if config.query_prefix is None else config.query_prefix,
        InputType.PASSAGE: layout.passage_prefix if config.passage_prefix is None else config.passage_prefix,
    }
    model = Model(
        id=entry.id,
        engine="ctranslate2",
        max_tokens=layout.max_tokens,
        dimensions=encoder.dimensions,
        licence=entry.licence,
        commercial_use=entry.commercial_use,
    )
    return EncoderEngine(encoder, model, prefixes, config)
