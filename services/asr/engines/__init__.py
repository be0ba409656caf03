"""The engines by name; a library is loaded only when its engine is asked for."""

from services.asr.config import AsrConfig
from services.asr.engine import Engine
from services.kit.errors import NotFound


async def load(config: AsrConfig) -> Engine:
    """Raises NotFound for an unknown engine, and whatever keeps the model from loading."""
    match config.engine:
        case "pocketsphinx":
            from services.asr.engines.pocketsphinx import load_pocketsphinx

            return await load_pocketsphinx(config)
        case "faster-whisper":
            from services.asr.engines.faster_whisper import load_faster_whisper

            return await load_faster_whisper(config)
        case "scripted":
            from services.asr.engines.scripted import Scripted

            return Scripted(config.script_delay_ms)
        case unknown:
            raise NotFound(
                f"there is no asr engine {unknown!r}; set LEDGE_ENGINE to pocketsphinx, faster-whisper or scripted"
            )
