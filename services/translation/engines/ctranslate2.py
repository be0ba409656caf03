"""Neural translation by CTranslate2: OPUS-MT, M2M-100 and MADLAD-400, whose sentences of all callers go in batches."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from services.kit.batching import Batcher
from services.kit.errors import EngineFailed, InvalidInput, NotFound
from services.kit.models import CatalogEntry, ModelStore
from services.translation import marks
from services.translation.config import TranslationConfig
from services.translation.engine import Model, Pair
from services.translation.model_files import Family, read_family

MAX_TOKENS = 256
"""Of a piece of a sentence: these models learned from sentences no longer than this."""
SPARE_TOKENS = 16


@dataclass(frozen=True)
class Piece:
    """What the model is given for a sentence, or for a part of one that is too long."""

    tokens: Sequence[str]
    prefix: Sequence[str]

    @property
    def limit(self) -> int:
        """Tokens of its translation; a model that has lost its way never ends by itself."""
        return 2 * len(self.tokens) + SPARE_TOKENS


class NeuralModel:
    """One model and the queue before it."""

    def __init__(self, entry: CatalogEntry, translator: Any, family: Family, config: TranslationConfig) -> None:
        self.model = Model(entry.id, "ctranslate2", entry.licence, entry.commercial_use)
        self.family = family
        self._translator = translator
        self._beam_size = config.beam_size
        self._threads = ThreadPoolExecutor(config.workers, thread_name_prefix="translate")
        self._batcher: Batcher[Piece, str] = Batcher(
            self._run,
            cost=lambda piece: len(piece.tokens),
            max_batch_cost=config.max_batch_tokens,
            max_queue_cost=config.max_queue_tokens,
            workers=config.workers,
            name=f"translation-{entry.id}",
        )

    async def translate(self, sentences: Sequence[str], pair: Pair) -> list[str]:
        worded = [marks.as_words(sentence) for sentence in sentences]
        pieces, counts = list[Piece](), list[int]()
        for sentence, _ in worded:
            own = self._pieces(sentence, pair)
            pieces += own
            counts.append(len(own))
        texts = iter(await self._batcher.submit(pieces))
        return [
            marks.from_words(" ".join(next(texts) for _ in range(count)), words)
            for count, (_, words) in zip(counts, worded, strict=True)
        ]

    def _pieces(self, sentence: str, pair: Pair) -> list[Piece]:
        source, target = pair.source, pair.target
        tokens = self.family.tokens(sentence, source, target)
        prefix = self.family.prefix(target)
        return [
            Piece(self.family.framed(tokens[start : start + MAX_TOKENS], source, target), prefix)
            for start in range(0, max(1, len(tokens)), MAX_TOKENS)
        ]

    async def _run(self, pieces: Sequence[Piece]) -> list[str]:
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._translated, pieces)

    def _translated(self, pieces: Sequence[Piece]) -> list[str]:
        try:
            results = self._translator.translate_batch(
                [piece.tokens for piece in pieces],
                target_prefix=[piece.prefix for piece in pieces] if pieces[0].prefix else None,
                beam_size=self._beam_size,
                max_input_length=0,
                max_decoding_length=max(len(piece.prefix) + piece.limit for piece in pieces),
            )
        except (RuntimeError, ValueError) as error:
            raise EngineFailed(f"the model {self.model.id} failed: {error}") from error
        # What a sentence may be long must not depend on which others it was translated with.
        return [
            self.family.text(result.hypotheses[0][len(piece.prefix) :][: piece.limit])
            for piece, result in zip(pieces, results, strict=True)
        ]

    def close(self) -> None:
        self._threads.shutdown(wait=True, cancel_futures=True)


class Neural:
    """All models that are asked for."""

    def __init__(self, loaded: Sequence[NeuralModel]) -> None:
        self._loaded = {one.model.id: one for one in loaded}
        self.models = tuple(one.model for one in loaded)
        self.pairs = tuple(Pair(source, target, one.model.id) for one in loaded for source, target in one.family.pairs)

    async def translate(self, sentences: Sequence[str], pair: Pair) -> list[str]:
        return await self._loaded[pair.model].translate(sentences, pair)

    async def close(self) -> None:
        for one in self._loaded.values():
            await asyncio.to_thread(one.close)


async def load_ctranslate2(config: TranslationConfig) -> Neural:
    """Raises NotFound without the libraries or a model, InvalidInput for one of another engine, EngineFailed."""
    if find_spec("ctranslate2") is None or find_spec("sentencepiece") is None:
        raise NotFound("the engine ctranslate2 is not installed: run `pip install 'ledge[opus-mt]'`")
    if not config.model:
        raise InvalidInput("LEDGE_MODEL names no model: for example opus-mt-en-es,opus-mt-es-en")
    store = await asyncio.to_thread(ModelStore.from_environment)
    loaded = []
    for model_id in config.model:
        entry = store.catalog.entry(model_id)
        if "translation" not in entry.tasks or "ctranslate2" not in entry.engines:
            raise InvalidInput(f"LEDGE_MODEL: {entry.id} is no model for translation by ctranslate2")
        directory = await asyncio.to_thread(store.require, entry.id)
        loaded.append(await asyncio.to_thread(_load, directory, entry, config))
    engine = Neural(loaded)
    for one in loaded:
        # Primed: the first batch takes longer.
        source, target = one.family.pairs[0]
        await one.translate(["a"], Pair(source, target, one.model.id))
    return engine


def _load(directory: Path, entry: CatalogEntry, config: TranslationConfig) -> NeuralModel:
    import ctranslate2

    family = read_family(directory, entry.id, config.languages)
    try:
        translator = ctranslate2.Translator(
            str(directory),
            device=config.device,
            compute_type=config.compute_type or ("int8" if config.device == "cpu" else "float16"),
            inter_threads=config.workers,
            intra_threads=config.threads,
        )
    except (RuntimeError, ValueError) as error:
        raise EngineFailed(f"the model {entry.id} cannot be loaded: {error}") from error
    return NeuralModel(entry, translator, family, config)
