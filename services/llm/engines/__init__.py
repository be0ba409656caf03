"""The engines by name; a library is imported only when its engine is asked for."""

from services.kit.errors import NotFound
from services.llm.config import LlmConfig
from services.llm.engine import Engine


async def load(config: LlmConfig) -> Engine:
    """Raises NotFound for an unknown engine, and whatever keeps the model from loading."""
    match config.engine:
        case "llamacpp":
            from services.llm.engines.llamacpp import load_llamacpp

            return await load_llamacpp(config)
        case "vllm":
            from services.llm.engines.vllm import load_vllm

            return await load_vllm(config)
        case "openai":
            from services.llm.engines.openai import load_openai

            return await load_openai(config)
        case "scripted":
            from services.llm.engines.scripted import load_scripted

            return load_scripted(config)
        case "ngram":
            from services.llm.engines.ngram import load_ngram

            return await load_ngram(config)
        case unknown:
            raise NotFound(
                f"there is no llm engine {unknown!r}; set LEDGE_ENGINE to llamacpp, vllm, openai, scripted or ngram"
            )
