"""TranslationService over gRPC: checks the request, finds the languages, lets it be translated."""

import asyncio
from collections.abc import Sequence
from typing import Any

from ledge.model.v1 import model_pb2
from ledge.translation.v1 import translation_pb2 as pb
from ledge.translation.v1 import translation_pb2_grpc as rpc

from services.kit.errors import InvalidInput, NotFound
from services.translation.config import TranslationConfig
from services.translation.detection import Detector
from services.translation.engine import Engine, Pair
from services.translation.pairs import Pairs, checked_language, primary
from services.translation.translator import Translator

MAX_TEXTS = 256
MAX_TEXT_CHARACTERS = 20_000
MAX_TERMS = 500
MAX_TERM_CHARACTERS = 200


class TranslationService(rpc.TranslationServiceServicer):
    """Answers `Translate`, `DetectLanguage` and `ListLanguagePairs` for one engine."""

    def __init__(self, engine: Engine, config: TranslationConfig) -> None:
        self._engine = engine
        self._pairs = Pairs(engine.pairs)
        self._translator = Translator(engine)
        self._detector = Detector()

    def mount(self, server: Any) -> None:
        rpc.add_TranslationServiceServicer_to_server(self, server)

    def models(self) -> Sequence[model_pb2.ModelInfo]:
        infos = []
        for model in self._engine.models:
            infos.append(model_pb2.ModelInfo(id=model.id, engine=model.engine, licence=model.licence))
            if model.commercial_use is not None:
                infos[-1].commercial_use = model.commercial_use
        return infos

    async def close(self) -> None:
        await self._engine.close()

    async def ListLanguagePairs(
        self, request: pb.ListLanguagePairsRequest, context: Any
    ) -> pb.ListLanguagePairsResponse:
        pairs = [
            pb.LanguagePair(source_language=pair.source, target_language=pair.target, model=pair.model)
            for pair in self._pairs.all
        ]
        return pb.ListLanguagePairsResponse(pairs=pairs, models=self.models())

    async def DetectLanguage(self, request: pb.DetectLanguageRequest, context: Any) -> pb.DetectLanguageResponse:
        _check_texts(request.texts)
        response = pb.DetectLanguageResponse()
        for candidates in await self._detector.detect(request.texts):
            response.detected.add(
                candidates=[pb.Candidate(language=name, confidence=confidence) for name, confidence in candidates]
            )
        return response

    async def Translate(self, request: pb.TranslateRequest, context: Any) -> pb.TranslateResponse:
        _check_texts(request.texts)
        terms = _checked_terms(request.protected_terms)
        if request.model and request.model not in {model.id for model in self._engine.models}:
            there = ", ".join(model.id for model in self._engine.models)
            raise NotFound(f"no model {request.model[:96]!r} here; there is {there}")
        if not request.target_language:
            raise InvalidInput("target_language is missing")
        target = checked_language(request.target_language, "target_language")
        sources = await self._sources(request, target)
        # Also for a text that is in the target's language already, for which nothing is to be done.
        by_pair: dict[Pair | None, list[int]] = {}
        for index, source in enumerate(sources):
            stays = not request.source_language and primary(source) == primary(target)
            pair = None if stays or not source else self._pairs.find(source, target, request.model)
            by_pair.setdefault(pair, []).append(index)
        translations = [pb.Translation(text=text, source_language=source) for text, source in
                        zip(request.texts, sources, strict=True)]  # fmt: skip

        async def translate(pair: Pair, indices: Sequence[int]) -> None:
            texts = await self._translator.translate([request.texts[index] for index in indices], pair, terms)
            for index, text in zip(indices, texts, strict=True):
                translations[index].text = text
                translations[index].model = pair.model

        await _together([translate(pair, indices) for pair, indices in by_pair.items() if pair is not None])
        return pb.TranslateResponse(translations=translations)

    async def _sources(self, request: pb.TranslateRequest, target: str) -> Sequence[str]:
        """The language of each text; empty for a text that has nothing to translate and no known language."""
        if request.source_language:
            return [checked_language(request.source_language, "source_language")] * len(request.texts)
        telling = [index for index, text in enumerate(request.texts) if any(map(str.isalpha, text))]
        possible = self._pairs.sources(target, request.model) | {primary(target)}
        found = await self._detector.sources([request.texts[index] for index in telling], possible)
        sources = [""] * len(request.texts)
        for index, source in zip(telling, found, strict=True):
            sources[index] = source
        return sources


async def _together(work: Sequence[Any]) -> None:
    """The first failure ends the rest."""
    tasks = [asyncio.create_task(one) for one in work]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _check_texts(texts: Sequence[str]) -> None:
    if not 1 <= len(texts) <= MAX_TEXTS:
        raise InvalidInput(f"{len(texts)} texts; a request takes 1 to {MAX_TEXTS}")
    for index, text in enumerate(texts):
        if len(text) > MAX_TEXT_CHARACTERS:
            raise InvalidInput(f"text {index} has {len(text)} characters; one takes {MAX_TEXT_CHARACTERS}")


def _checked_terms(terms: Sequence[pb.ProtectedTerm]) -> dict[str, str]:
    if len(terms) > MAX_TERMS:
        raise InvalidInput(f"{len(terms)} protected terms; a request takes {MAX_TERMS}")
    for index, term in enumerate(terms):
        if not term.term.strip():
            raise InvalidInput(f"protected term {index} is empty")
        if max(len(term.term), len(term.translation)) > MAX_TERM_CHARACTERS:
            raise InvalidInput(f"protected term {index} is longer than {MAX_TERM_CHARACTERS} characters")
    return {term.term.strip(): term.translation or term.term.strip() for term in terms}
