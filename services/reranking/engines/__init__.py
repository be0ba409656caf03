"""The engines by name; a library is imported only when its engine is asked for."""

import asyncio

from services.kit.errors import NotFound
from services.reranking.config import RerankingConfig
from services.reranking.engine import Engine


async def load(config: RerankingConfig) -> Engine:
    """Raises NotFound for an unknown engine, and whatever keeps the model from loading."""
    match config.engine:
        case "late-interaction":
            from services.reranking.engines.late_interaction import load_late_interaction

            return await asyncio.to_thread(load_late_interaction, config)
        case "cross-encoder":
            from services.reranking.engines.cross_encoder import load_cross_encoder

            return await asyncio.to_thread(load_cross_encoder, config)
        case "scripted":
            from services.reranking.engines.scripted import Scripted

            return Scripted()
        case unknown:
            raise NotFound(
                f"there is no reranking engine {unknown!r}; set LEDGE_ENGINE to late-interaction, cross-encoder or "
                "scripted"
            )
