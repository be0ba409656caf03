"""The engines by name; a library is imported only when its engine is asked for."""

import asyncio

from services.embedding.config import EmbeddingConfig
from services.embedding.engine import Engine
from services.kit.errors import NotFound


async def load(config: EmbeddingConfig) -> Engine:
    """Raises NotFound for an unknown engine, and whatever keeps the model from loading."""
    match config.engine:
        case "ctranslate2":
            from services.embedding.engines.ctranslate2 import load_ctranslate2

            return await asyncio.to_thread(load_ctranslate2, config)
        case "sentence-transformers":
            from services.embedding.engines.sentence_transformers import load_sentence_transformers

            return await asyncio.to_thread(load_sentence_transformers, config)
        case "scripted":
            from services.embedding.engines.scripted import load_scripted

            return load_scripted(config)
        case unknown:
            raise NotFound(
                f"there is no embedding engine {unknown!r}; set LEDGE_ENGINE to ctranslate2, sentence-transformers or "
                "scripted"
            )
