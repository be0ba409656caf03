"""`python -m services.reranking`: passages in order of how well they answer."""

from ledge.reranking.v1 import reranking_pb2 as pb

from services.kit.server import run
from services.reranking.config import RerankingConfig
from services.reranking.engines import load
from services.reranking.service import RerankingService


async def build(config: RerankingConfig) -> RerankingService:
    return RerankingService(await load(config))


if __name__ == "__main__":
    run("reranking", RerankingConfig, pb.DESCRIPTOR, build)
