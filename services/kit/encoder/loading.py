"""From a service's settings to a loaded sentence encoder."""

from dataclasses import dataclass

from services.kit.encoder.config import EncoderConfig
from services.kit.encoder.sentence import SentenceEncoder
from services.kit.encoder.text import Truncation
from services.kit.errors import InvalidInput
from services.kit.models import CatalogEntry, ModelStore
from services.kit.models.catalog import Task


@dataclass(frozen=True)
class LoadedEncoder:
    """An encoder with what the catalogue and the settings say about it."""

    entry: CatalogEntry
    encoder: SentenceEncoder
    query_prefix: str
    passage_prefix: str


def load_encoder(config: EncoderConfig, task: Task) -> LoadedEncoder:
    """Blocks until the model is here, loaded and primed.

    Raises:
        NotFound: no such model in the catalogue, or not here and not to be fetched.
        InvalidInput: the model is for something else than `task`.
        EngineFailed: it cannot be fetched or loaded.
    """
    store = ModelStore.from_environment()
    entry = store.catalog.entry(config.model)
    if task not in entry.tasks:
        raise InvalidInput(f"LEDGE_MODEL: {entry.id} is a model for {', '.join(entry.tasks)}, not for {task}")
    encoder = SentenceEncoder(
        store.require(config.model),
        compute_type=config.compute_type,
        inter_threads=config.workers,
        intra_threads=config.threads_per_worker,
    )
    layout = encoder.layout
    query_prefix = layout.query_prefix if config.query_prefix is None else config.query_prefix
    passage_prefix = layout.passage_prefix if config.passage_prefix is None else config.passage_prefix
    for prefix in (query_prefix, passage_prefix):
        (tokenised,) = encoder.tokeniser.tokenise([prefix], Truncation.END)
        if tokenised.token_count > layout.max_tokens // 2:
            raise InvalidInput(f"the prefix {prefix[:40]!r}… leaves less than half of the model's tokens to the text")
    return LoadedEncoder(entry, encoder, query_prefix, passage_prefix)
