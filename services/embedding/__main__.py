"""`python -m services.embedding`: texts to vectors."""

from ledge.embedding.v1 import embedding_pb2 as pb

from services.embedding.config import EmbeddingConfig
from services.embedding.engines import load
from services.embedding.service import EmbeddingService
from services.kit.server import run


async def build(config: EmbeddingConfig) -> EmbeddingService:
    return EmbeddingService(await load(config), config.max_message_bytes)


if __name__ == "__main__":
    run("embedding", EmbeddingConfig, pb.DESCRIPTOR, build)
