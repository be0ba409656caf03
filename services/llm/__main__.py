"""`python -m services.llm`: text generation."""

from ledge.llm.v1 import llm_pb2 as pb

from services.kit.server import run
from services.llm.config import LlmConfig
from services.llm.engines import load
from services.llm.length import LexicalLengths
from services.llm.service import LlmService


async def build(config: LlmConfig) -> LlmService:
    lengths = LexicalLengths.read(config.length_file) if config.length_file is not None else None
    return LlmService(await load(config), config.queue_calls, lengths)


if __name__ == "__main__":
    run("llm", LlmConfig, pb.DESCRIPTOR, build)
