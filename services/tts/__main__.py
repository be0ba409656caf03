"""`python -m services.tts`: text to speech."""

from ledge.tts.v1 import tts_pb2 as pb

from services.kit.server import run
from services.tts.config import TtsConfig
from services.tts.engines import load
from services.tts.loudness import Gains
from services.tts.service import TtsService
from services.tts.voices import Voices


async def build(config: TtsConfig) -> TtsService:
    engine = await load(config)
    # Measuring speaks with every voice, which primes them too.
    gains = Gains(engine)
    await gains.prime()
    return TtsService(engine, Voices(engine.voices, config.language), gains, config)


if __name__ == "__main__":
    run("tts", TtsConfig, pb.DESCRIPTOR, build)
