"""Any sentence-transformers model (BGE, E5, GTE, Nomic, Qwen embeddings…) on CUDA or the CPU, through torch."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.models import Pooling

from services.embedding.batched_engine import BatchedEngine
from services.embedding.config import EmbeddingConfig
from services.embedding.engine import InputType, Model
from services.kit.encoder.config import EncoderConfig
from services.kit.encoder.text import EncodedText, TokenisedText, Truncation, normalised
from services.kit.encoder.tokenisation import Tokeniser
from services.kit.errors import EngineFailed, InvalidInput
from services.kit.models import ModelStore

ENGINE = "sentence-transformers"
PASSAGE_PROMPTS = ("passage", "document", "corpus")
"""What publishers call the prompt of a text that is searched."""


class TorchEncoder:
    """One loaded model; thread-safe. `encode` blocks, mostly without the GIL.

    The pipeline is the model's own (transformer, pooling, projection); what is read of a text is decided by
    `Tokeniser`, so that long texts, prefixes and offsets are treated as in every other engine.

    Raises:
        EngineFailed: no usable model there, or no such device.
    """

    def __init__(self, directory: Path, config: EncoderConfig) -> None:
        torch.set_num_threads(config.threads_per_worker)
        device = config.device if config.device != "auto" else ("cuda" if torch.cuda.is_available() else "cpu")
        try:
            self._model = SentenceTransformer(
                str(directory),
                device=device,
                local_files_only=True,
                model_kwargs={"dtype": getattr(torch, config.dtype)},
            ).eval()
        except Exception as error:  # the library raises whatever torch, transformers and the files raise
            raise EngineFailed(f"sentence-transformers cannot load {directory.name} on {device}: {error}") from error
        self.tokeniser = Tokeniser(directory, int(self._model.max_seq_length or 512))
        self._pad = int(self._model.tokenizer.pad_token_id or 0)
        # Instruction models (Instructor, GritLM) read their prompt but leave it out of the mean.
        poolings = (module for module in self._model if isinstance(module, Pooling))
        self._prompt_pooled = all(pooling.include_prompt for pooling in poolings)
        self.dimensions = len(self.encode(self.tokeniser.tokenise(["ready"], Truncation.END), [False])[0].dense)

    @property
    def prompts(self) -> dict[str, str]:
        """What the publisher puts before texts, by what they are."""
        return {name: prompt for name, prompt in self._model.prompts.items() if prompt}

    def encode(self, texts: Sequence[TokenisedText], tokens: Sequence[bool]) -> list[EncodedText]:
        """Encodes one batch as it is; the caller keeps batches small and of like lengths."""
        try:
            with torch.inference_mode():
                output = self._model(self._features(texts))
                dense = output["sentence_embedding"].float().cpu().numpy()
                kept = [index for index, wanted in enumerate(tokens) if wanted]
                hidden = dict(zip(kept, output["token_embeddings"][kept].float().cpu().numpy(), strict=True))
        except RuntimeError as error:
            raise EngineFailed(f"the encoder failed: {error}") from error
        if not np.isfinite(dense).all():
            raise EngineFailed("the encoder made numbers that are not finite")
        dense = normalised(dense)
        return [
            EncodedText(dense[index], normalised(hidden[index][text.rows]) if index in hidden else None)
            for index, text in enumerate(texts)
        ]

    def _features(self, texts: Sequence[TokenisedText]) -> dict[str, Any]:
        longest = max(text.token_count for text in texts)
        ids = torch.full((len(texts), longest), self._pad, dtype=torch.long)
        mask = torch.zeros((len(texts), longest), dtype=torch.long)
        for row, text in enumerate(texts):
            ids[row, : text.token_count] = torch.as_tensor(text.ids)
            mask[row, : text.token_count] = 1
        device = self._model.device
        features: dict[str, Any] = {"input_ids": ids.to(device), "attention_mask": mask.to(device)}
        if not self._prompt_pooled:
            # Queries and passages have queues of their own, so the texts of a batch share their prompt.
            features["prompt_length"] = texts[0].rows.start
        return features


def load_sentence_transformers(config: EmbeddingConfig) -> BatchedEngine:
    """Blocks until the model is here, loaded and primed.

    Raises:
        NotFound: no such model in the catalogue, or not here and not to be fetched.
        InvalidInput: the model is none of this engine, or a prefix fills it.
        EngineFailed: it cannot be fetched or loaded.
    """
    store = ModelStore.from_environment()
    entry = store.catalog.entry(config.model)
    if ENGINE not in entry.engines:
        raise InvalidInput(f"LEDGE_MODEL: {entry.id} runs in {', '.join(entry.engines)}, not in {ENGINE}")
    encoder = TorchEncoder(store.require(entry.id), config)
    passage = next((encoder.prompts[name] for name in PASSAGE_PROMPTS if name in encoder.prompts), "")
    prefixes = {
        InputType.QUERY: encoder.prompts.get("query", "") if config.query_prefix is None else config.query_prefix,
        InputType.PASSAGE: passage if config.passage_prefix is None else config.passage_prefix,
    }
    for prefix in prefixes.values():
        (tokenised,) = encoder.tokeniser.tokenise([prefix], Truncation.END)
        if tokenised.token_count > encoder.tokeniser.max_tokens // 2:
            raise InvalidInput(f"the prefix {prefix[:40]!r}… leaves less than half of the model's tokens to the text")
    model = Model(
        id=entry.id,
        engine=ENGINE,
        max_tokens=encoder.tokeniser.max_tokens,
        dimensions=encoder.dimensions,
        licence=entry.licence,
        commercial_use=entry.commercial_use,
    )
    return BatchedEngine(encoder, model, prefixes, config)
