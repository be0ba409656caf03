"""A cross-encoder (bge-reranker, MiniLM MS MARCO, Qwen rerankers…): query and passage read together, one logit a pair.

It scores passages, not their segments: each would cost as much as a passage.
"""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from sentence_transformers import CrossEncoder
from tokenizers import Tokenizer

from services.kit.batching import Batcher
from services.kit.encoder.text import Truncation
from services.kit.encoder.tokenisation import Tokeniser
from services.kit.errors import EngineFailed, InvalidInput
from services.kit.models import ModelStore
from services.reranking.config import RerankingConfig
from services.reranking.engine import Model, Passage, Query, Score

ENGINE = "cross-encoder"
QUERY_SHARE = 0.5
"""Most of the model's tokens that a query may take when texts may be cut; the rest is the passage's."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A query and a passage as the model reads them."""

    ids: Sequence[int]
    type_ids: Sequence[int]


class PairEncoder:
    """One loaded model; thread-safe. Blocks.

    Raises:
        EngineFailed: no usable model there, no such device, or a model with several labels.
    """

    def __init__(self, directory: Path, config: RerankingConfig) -> None:
        torch.set_num_threads(config.threads_per_worker)
        device = config.device if config.device != "auto" else ("cuda" if torch.cuda.is_available() else "cpu")
        try:
            loaded = CrossEncoder(
                str(directory),
                device=device,
                local_files_only=True,
                model_kwargs={"dtype": getattr(torch, config.dtype)},
            )
            self._tokenizer = Tokenizer.from_file(str(directory / "tokenizer.json"))
        except Exception as error:  # the library raises whatever torch, transformers and the files raise
            raise EngineFailed(f"sentence-transformers cannot load {directory.name} on {device}: {error}") from error
        self._model = loaded.model.eval()
        labels = int(self._model.config.num_labels)
        if labels != 1:
            raise EngineFailed(f"{directory.name} tells {labels} labels of a pair; a reranker tells one score")
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._pad = int(loaded.tokenizer.pad_token_id or 0)
        self._typed = "token_type_ids" in loaded.tokenizer.model_input_names
        positions = int(getattr(self._model.config, "max_position_embeddings", 512))
        self.max_tokens = min(int(loaded.max_length or positions), positions)
        self._single = Tokeniser(directory, self.max_tokens)
        self._frame = len(self._pair("a", "a").ids) - 2 * len(self._plain("a"))
        self.score([self._pair("ready", "ready")])

    def pairs(self, query: str, passages: Sequence[tuple[str, str]], *, truncate: bool) -> list[Pair]:
        """What is read of each named passage with the query.

        Raises:
            InvalidInput: a text is too long and `truncate` is false.
        """
        truncation = Truncation.END if truncate else Truncation.NONE
        # The one tokenisation per text bounds what the second, of the pair, has to read.
        asked = self._cut(query, truncation, int(self.max_tokens * QUERY_SHARE), "the query")
        room = self.max_tokens - self._frame - len(self._plain(asked))
        return [self._pair(asked, self._cut(text, truncation, room, name)) for name, text in passages]

    def score(self, pairs: Sequence[Pair]) -> list[float]:
        """One logit a pair."""
        longest = max(len(pair.ids) for pair in pairs)
        ids = torch.full((len(pairs), longest), self._pad, dtype=torch.long)
        mask, types = torch.zeros_like(ids), torch.zeros_like(ids)
        for row, pair in enumerate(pairs):
            ids[row, : len(pair.ids)] = torch.as_tensor(pair.ids)
            types[row, : len(pair.ids)] = torch.as_tensor(pair.type_ids)
            mask[row, : len(pair.ids)] = 1
        device = self._model.device
        features = {"input_ids": ids.to(device), "attention_mask": mask.to(device)}
        if self._typed:
            features["token_type_ids"] = types.to(device)
        try:
            with torch.inference_mode():
                logits = self._model(**features).logits[:, 0].float().cpu().numpy()
        except RuntimeError as error:
            raise EngineFailed(f"the cross-encoder failed: {error}") from error
        if not np.isfinite(logits).all():
            raise EngineFailed("the cross-encoder made numbers that are not finite")
        scores: list[float] = logits.tolist()
        return scores

    def _cut(self, text: str, truncation: Truncation, room: int, name: str) -> str:
        """The text, or as many of its first tokens as there is room for."""
        (read,) = self._single.tokenise([text], truncation, offsets=True, name=lambda _: name)
        if len(read.offsets) <= room:
            return text[: read.offsets[-1][1]] if read.truncated else text
        if truncation is Truncation.NONE:
            raise InvalidInput(
                f"{name} has {read.token_count} tokens, and beside the other text the model reads {room}: "
                "shorten or truncate it"
            )
        return text[: read.offsets[room - 1][1]]

    def _pair(self, query: str, passage: str) -> Pair:
        encoding = self._tokenizer.encode_batch([(query, passage)])[0]
        return Pair(encoding.ids[: self.max_tokens], encoding.type_ids[: self.max_tokens])

    def _plain(self, text: str) -> Sequence[int]:
        ids: list[int] = self._tokenizer.encode_batch([text], add_special_tokens=False)[0].ids
        return ids


class CrossEncoding:
    """Shared by all calls of one event loop; their pairs are batched by tokens."""

    def __init__(self, encoder: PairEncoder, model: Model, config: RerankingConfig) -> None:
        self.model = model
        self._encoder = encoder
        self._threads = ThreadPoolExecutor(2 * config.workers, thread_name_prefix="reranking")
        self._pairs: Batcher[Pair, float] = Batcher(
            self._run,
            cost=lambda pair: len(pair.ids),
            max_batch_cost=config.max_batch_tokens,
            max_queue_cost=config.max_queue_tokens,
            workers=config.workers,
            name="reranking",
        )

    async def score(self, query: Query, passages: Sequence[Passage], *, truncate: bool) -> list[Score]:
        if not query.text.strip():
            raise InvalidInput("the query is empty: a cross-encoder reads its text, not its vectors")
        named = [(f"passage {index}", _whole(passage)) for index, passage in enumerate(passages)]
        loop = asyncio.get_running_loop()
        pairs = await loop.run_in_executor(self._threads, self._tokenise, query.text, named, truncate)
        return [Score(score, ()) for score in await self._pairs.submit(pairs)]

    async def close(self) -> None:
        self._threads.shutdown()

    def _tokenise(self, query: str, passages: Sequence[tuple[str, str]], truncate: bool) -> list[Pair]:
        return self._encoder.pairs(query, passages, truncate=truncate)

    async def _run(self, batch: Sequence[Pair]) -> Sequence[float]:
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._encoder.score, batch)


def _whole(passage: Passage) -> str:
    return passage.text or "\n".join(segment.text for segment in passage.segments)


def load_cross_encoder(config: RerankingConfig) -> CrossEncoding:
    """Blocks until the model is here, loaded and primed.

    Raises:
        NotFound: no such model in the catalogue, or not here and not to be fetched.
        InvalidInput: the model is none of this engine.
        EngineFailed: it cannot be fetched or loaded.
    """
    store = ModelStore.from_environment()
    entry = store.catalog.entry(config.model)
    if ENGINE not in entry.engines:
        raise InvalidInput(f"LEDGE_MODEL: {entry.id} runs in {', '.join(entry.engines)}, not in {ENGINE}")
    encoder = PairEncoder(store.require(entry.id), config)
    model = Model(
        id=entry.id,
        engine=ENGINE,
        max_tokens=encoder.max_tokens,
        licence=entry.licence,
        commercial_use=entry.commercial_use,
        scores="logit",
    )
    return CrossEncoding(encoder, model, config)
