from ledge.model.v1 import model_pb2 as _model_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class InputType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    INPUT_TYPE_UNSPECIFIED: _ClassVar[InputType]
    QUERY: _ClassVar[InputType]
    PASSAGE: _ClassVar[InputType]

class Truncate(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TRUNCATE_UNSPECIFIED: _ClassVar[Truncate]
    NONE: _ClassVar[Truncate]
    START: _ClassVar[Truncate]
    END: _ClassVar[Truncate]
INPUT_TYPE_UNSPECIFIED: InputType
QUERY: InputType
PASSAGE: InputType
TRUNCATE_UNSPECIFIED: Truncate
NONE: Truncate
START: Truncate
END: Truncate

class EmbedRequest(_message.Message):
    __slots__ = ("model", "inputs", "input_type", "truncate", "dimensions", "outputs")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    INPUT_TYPE_FIELD_NUMBER: _ClassVar[int]
    TRUNCATE_FIELD_NUMBER: _ClassVar[int]
    DIMENSIONS_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    model: str
    inputs: _containers.RepeatedScalarFieldContainer[str]
    input_type: InputType
    truncate: Truncate
    dimensions: int
    outputs: Outputs
    def __init__(self, model: _Optional[str] = ..., inputs: _Optional[_Iterable[str]] = ..., input_type: _Optional[_Union[InputType, str]] = ..., truncate: _Optional[_Union[Truncate, str]] = ..., dimensions: _Optional[int] = ..., outputs: _Optional[_Union[Outputs, _Mapping]] = ...) -> None: ...

class Outputs(_message.Message):
    __slots__ = ("dense", "tokens", "token_encoding")
    DENSE_FIELD_NUMBER: _ClassVar[int]
    TOKENS_FIELD_NUMBER: _ClassVar[int]
    TOKEN_ENCODING_FIELD_NUMBER: _ClassVar[int]
    dense: bool
    tokens: bool
    token_encoding: _model_pb2.TokenVectors.Encoding
    def __init__(self, dense: bool = ..., tokens: bool = ..., token_encoding: _Optional[_Union[_model_pb2.TokenVectors.Encoding, str]] = ...) -> None: ...

class EmbedResponse(_message.Message):
    __slots__ = ("model", "embeddings", "usage")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    EMBEDDINGS_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    model: str
    embeddings: _containers.RepeatedCompositeFieldContainer[Embedding]
    usage: Usage
    def __init__(self, model: _Optional[str] = ..., embeddings: _Optional[_Iterable[_Union[Embedding, _Mapping]]] = ..., usage: _Optional[_Union[Usage, _Mapping]] = ...) -> None: ...

class Embedding(_message.Message):
    __slots__ = ("dense", "dimensions", "tokens", "token_count", "truncated", "token_offsets")
    DENSE_FIELD_NUMBER: _ClassVar[int]
    DIMENSIONS_FIELD_NUMBER: _ClassVar[int]
    TOKENS_FIELD_NUMBER: _ClassVar[int]
    TOKEN_COUNT_FIELD_NUMBER: _ClassVar[int]
    TRUNCATED_FIELD_NUMBER: _ClassVar[int]
    TOKEN_OFFSETS_FIELD_NUMBER: _ClassVar[int]
    dense: bytes
    dimensions: int
    tokens: _model_pb2.TokenVectors
    token_count: int
    truncated: bool
    token_offsets: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, dense: _Optional[bytes] = ..., dimensions: _Optional[int] = ..., tokens: _Optional[_Union[_model_pb2.TokenVectors, _Mapping]] = ..., token_count: _Optional[int] = ..., truncated: bool = ..., token_offsets: _Optional[_Iterable[int]] = ...) -> None: ...

class Usage(_message.Message):
    __slots__ = ("prompt_tokens",)
    PROMPT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    prompt_tokens: int
    def __init__(self, prompt_tokens: _Optional[int] = ...) -> None: ...

class ListModelsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListModelsResponse(_message.Message):
    __slots__ = ("models",)
    MODELS_FIELD_NUMBER: _ClassVar[int]
    models: _containers.RepeatedCompositeFieldContainer[_model_pb2.ModelInfo]
    def __init__(self, models: _Optional[_Iterable[_Union[_model_pb2.ModelInfo, _Mapping]]] = ...) -> None: ...
