"""What the services that encode text tell of their models."""

from typing import Protocol

from ledge.model.v1 import model_pb2


class EncoderModel(Protocol):
    """The model of an embedding or a reranking engine, as far as it is told."""

    @property
    def id(self) -> str: ...
    @property
    def engine(self) -> str: ...
    @property
    def max_tokens(self) -> int: ...
    @property
    def dimensions(self) -> int | None: ...
    @property
    def licence(self) -> str: ...
    @property
    def commercial_use(self) -> bool | None: ...


def model_info(model: EncoderModel) -> model_pb2.ModelInfo:
    """What is None stays absent."""
    info = model_pb2.ModelInfo(
        id=model.id, engine=model.engine, licence=model.licence, max_context_tokens=model.max_tokens
    )
    if model.dimensions is not None:
        info.dimensions = model.dimensions
    if model.commercial_use is not None:
        info.commercial_use = model.commercial_use
    return info
