"""A translation service that knows ten words of English and Spanish, and keeps the contract of `ledge.translation.v1`.

Run as `python -m tests.riva.word_translation`; what is not among its words stays as it is.
"""

from typing import Any

from ledge.model.v1 import model_pb2
from ledge.translation.v1 import translation_pb2 as pb
from ledge.translation.v1 import translation_pb2_grpc as rpc

from services.kit.config import ServiceConfig
from services.kit.errors import InvalidInput, NotFound
from services.kit.server import run

ENGLISH = "one two three four five please open the window water".split()
SPANISH = "uno dos tres cuatro cinco favor abre la ventana agua".split()
TABLES = {
    ("en", "es"): dict(zip(ENGLISH, SPANISH, strict=True)),
    ("es", "en"): dict(zip(SPANISH, ENGLISH, strict=True)),
}
MODEL = "ten-words"


class WordTranslation(rpc.TranslationServiceServicer):
    def mount(self, server: Any) -> None:
        rpc.add_TranslationServiceServicer_to_server(self, server)

    def models(self) -> list[model_pb2.ModelInfo]:
        return [model_pb2.ModelInfo(id=MODEL, engine="words")]

    async def close(self) -> None:
        """Holds nothing."""

    async def Translate(self, request: pb.TranslateRequest, context: Any) -> pb.TranslateResponse:
        if not request.texts:
            raise InvalidInput("there is no text to translate")
        pair = (request.source_language, request.target_language)
        if pair not in TABLES:
            raise NotFound(f"no model has {'-'.join(pair)}; there is en-es, es-en")
        if request.model not in ("", MODEL):
            raise NotFound(f"no model {request.model!r} here")
        kept = {term.term: term.translation or term.term for term in request.protected_terms}
        response = pb.TranslateResponse()
        for text in request.texts:
            words = [kept.get(word) or TABLES[pair].get(word, word) for word in text.split()]
            response.translations.add(text=" ".join(words), source_language=pair[0], model=MODEL)
        return response

    async def ListLanguagePairs(
        self, request: pb.ListLanguagePairsRequest, context: Any
    ) -> pb.ListLanguagePairsResponse:
        pairs = [
            pb.LanguagePair(source_language=source, target_language=target, model=MODEL) for source, target in TABLES
        ]
        return pb.ListLanguagePairsResponse(pairs=pairs, models=self.models())


async def build(config: ServiceConfig) -> WordTranslation:
    return WordTranslation()


if __name__ == "__main__":
    run("translation", ServiceConfig, pb.DESCRIPTOR, build)
