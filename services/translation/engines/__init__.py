"""The engines by name; a library is loaded only when its engine is asked for."""

from services.kit.errors import NotFound
from services.translation.config import TranslationConfig
from services.translation.engine import Engine


async def load(config: TranslationConfig) -> Engine:
    """Raises NotFound for an unknown engine, and whatever keeps the models from loading."""
    match config.engine:
        case "apertium":
            from services.translation.engines.apertium import load_apertium

            return await load_apertium(config)
        case "ctranslate2":
            from services.translation.engines.ctranslate2 import load_ctranslate2

            return await load_ctranslate2(config)
        case "scripted":
            from services.translation.engines.scripted import Scripted

            return Scripted()
        case unknown:
            raise NotFound(
                f"there is no translation engine {unknown!r}; set LEDGE_ENGINE to apertium, ctranslate2 or scripted"
            )
