"""`python -m services.asr`: speech to text."""

from ledge.asr.v1 import asr_pb2 as pb

from services.asr.config import AsrConfig
from services.asr.engines import load
from services.asr.service import AsrService
from services.asr.vad import VoiceDetector
from services.kit.server import run


async def build(config: AsrConfig) -> AsrService:
    return AsrService(await load(config), VoiceDetector(config.vad_threads), config)


if __name__ == "__main__":
    run("asr", AsrConfig, pb.DESCRIPTOR, build)
