from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ModelInfo(_message.Message):
    __slots__ = ("id", "aliases", "engine", "licence", "commercial_use", "max_context_tokens", "dimensions", "answer_policy")
    ID_FIELD_NUMBER: _ClassVar[int]
    ALIASES_FIELD_NUMBER: _ClassVar[int]
    ENGINE_FIELD_NUMBER: _ClassVar[int]
    LICENCE_FIELD_NUMBER: _ClassVar[int]
    COMMERCIAL_USE_FIELD_NUMBER: _ClassVar[int]
    MAX_CONTEXT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    DIMENSIONS_FIELD_NUMBER: _ClassVar[int]
    ANSWER_POLICY_FIELD_NUMBER: _ClassVar[int]
    id: str
    aliases: _containers.RepeatedScalarFieldContainer[str]
    engine: str
    licence: str
    commercial_use: bool
    max_context_tokens: int
    dimensions: int
    answer_policy: str
    def __init__(self, id: _Optional[str] = ..., aliases: _Optional[_Iterable[str]] = ..., engine: _Optional[str] = ..., licence: _Optional[str] = ..., commercial_use: bool = ..., max_context_tokens: _Optional[int] = ..., dimensions: _Optional[int] = ..., answer_policy: _Optional[str] = ...) -> None: ...

class TokenVectors(_message.Message):
    __slots__ = ("data", "dimensions", "encoding", "scale")
    class Encoding(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        ENCODING_UNSPECIFIED: _ClassVar[TokenVectors.Encoding]
        FLOAT32: _ClassVar[TokenVectors.Encoding]
        INT8: _ClassVar[TokenVectors.Encoding]
    ENCODING_UNSPECIFIED: TokenVectors.Encoding
    FLOAT32: TokenVectors.Encoding
    INT8: TokenVectors.Encoding
    DATA_FIELD_NUMBER: _ClassVar[int]
    DIMENSIONS_FIELD_NUMBER: _ClassVar[int]
    ENCODING_FIELD_NUMBER: _ClassVar[int]
    SCALE_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    dimensions: int
    encoding: TokenVectors.Encoding
    scale: float
    def __init__(self, data: _Optional[bytes] = ..., dimensions: _Optional[int] = ..., encoding: _Optional[_Union[TokenVectors.Encoding, str]] = ..., scale: _Optional[float] = ...) -> None: ...
