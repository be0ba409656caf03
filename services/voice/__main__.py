"""`python -m services.voice`: converses by voice, and interprets."""

from ledge.voice.v1 import voice_pb2 as pb

from services.kit.server import run
from services.voice.config import VoiceConfig
from services.voice.peers import connect_peers
from services.voice.service import VoiceService


async def build(config: VoiceConfig) -> VoiceService:
    return VoiceService(connect_peers(config), config)


if __name__ == "__main__":
    run("voice", VoiceConfig, pb.DESCRIPTOR, build)
