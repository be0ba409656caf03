"""What a model's folder, laid out as sentence-transformers does it, says about how the model is to be used."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from services.kit.errors import EngineFailed


@dataclass(frozen=True)
class Layout:
    """The settings that are part of a model, as its publisher gave them."""

    max_tokens: int
    """The most tokens of a text, special tokens included."""
    pooling: Literal["mean", "first"]
    """A text's vector is the mean of its tokens' vectors, or that of its first token (`[CLS]`)."""
    query_prefix: str
    passage_prefix: str


def read_layout(directory: Path) -> Layout:
    """Raises EngineFailed for a folder that is no sentence encoder, or one with a pooling we do not have."""
    config = _read(directory / "config.json")
    if config is None:
        raise EngineFailed(f"there is no model in {directory}: config.json is missing")
    sentence = _read(directory / "sentence_bert_config.json") or {}
    prompts = (_read(directory / "config_sentence_transformers.json") or {}).get("prompts") or {}
    positions = config.get("max_position_embeddings", 512)
    return Layout(
        max_tokens=min(sentence.get("max_seq_length") or positions, positions),
        pooling=_pooling(directory),
        query_prefix=prompts.get("query", ""),
        passage_prefix=prompts.get("passage", prompts.get("document", "")),
    )


def _pooling(directory: Path) -> Literal["mean", "first"]:
    pooling = _read(directory / "1_Pooling" / "config.json") or {"pooling_mode_mean_tokens": True}
    modes = sorted(name for name, value in pooling.items() if name.startswith("pooling_mode_") and value is True)
    match modes:
        case ["pooling_mode_mean_tokens"]:
            return "mean"
        case ["pooling_mode_cls_token"]:
            return "first"
        case _:
            raise EngineFailed(f"the model in {directory} wants {', '.join(modes) or 'no'} pooling, which is not here")


def _read(path: Path) -> dict[str, Any] | None:
    try:
        content = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise EngineFailed(f"{path} is damaged: {error}") from None
    if not isinstance(content, dict):
        raise EngineFailed(f"{path} is damaged: it holds no object")
    return content
