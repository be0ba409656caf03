"""The engines by name; a library is loaded only when its engine is asked for."""

from services.kit.errors import NotFound
from services.tts.config import TtsConfig
from services.tts.engine import Engine


async def load(config: TtsConfig) -> Engine:
    """Raises NotFound for an unknown engine, and whatever keeps the voices from loading."""
    match config.engine:
        case "flite":
            from services.tts.engines.flite import load_flite

            return await load_flite(config)
        case "piper":
            from services.tts.engines.piper import load_piper

            return await load_piper(config)
        case "scripted":
            from services.tts.engines.scripted import Scripted

            return Scripted(config.script_delay_ms)
        case unknown:
            raise NotFound(f"there is no tts engine {unknown!r}; set LEDGE_ENGINE to flite, piper or scripted")
