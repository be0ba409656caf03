"""`python -m services.translation`: text of one language into text of another."""

from ledge.translation.v1 import translation_pb2 as pb

from services.kit.server import run
from services.translation.config import TranslationConfig
from services.translation.engines import load
from services.translation.service import TranslationService


async def build(config: TranslationConfig) -> TranslationService:
    return TranslationService(await load(config), config)


if __name__ == "__main__":
    run("translation", TranslationConfig, pb.DESCRIPTOR, build)
