"""The engines by name; a library is imported only when its engine is asked for."""

from services.kit.errors import InvalidInput
from services.retrieval.config import RetrievalConfig
from services.retrieval.engine import Engine


def open_engine(config: RetrievalConfig) -> Engine:
    """Opens the configured engine, ready to serve. Blocks."""
    match config.engine:
        case "qdrant-edge":
            from services.retrieval.engines.qdrant_edge import QdrantEdge

            return QdrantEdge(config)
        case "qdrant":
            from services.retrieval.engines.qdrant import Qdrant

            return Qdrant(config)
        case "memory":
            from services.retrieval.engines.memory import Memory

            return Memory(config.language, config.average_terms, config.max_collections)
        case unknown:
            raise InvalidInput(f"there is no retrieval engine {unknown!r}")
