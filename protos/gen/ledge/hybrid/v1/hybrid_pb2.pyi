from ledge.llm.v1 import llm_pb2 as _llm_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class DecideRequest(_message.Message):
    __slots__ = ("chat",)
    CHAT_FIELD_NUMBER: _ClassVar[int]
    chat: _llm_pb2.ChatRequest
    def __init__(self, chat: _Optional[_Union[_llm_pb2.ChatRequest, _Mapping]] = ...) -> None: ...

class DecideResponse(_message.Message):
    __slots__ = ("mode", "why", "score", "threshold", "big")
    MODE_FIELD_NUMBER: _ClassVar[int]
    WHY_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    BIG_FIELD_NUMBER: _ClassVar[int]
    mode: _llm_pb2.Hybrid.Mode
    why: str
    score: float
    threshold: float
    big: bool
    def __init__(self, mode: _Optional[_Union[_llm_pb2.Hybrid.Mode, str]] = ..., why: _Optional[str] = ..., score: _Optional[float] = ..., threshold: _Optional[float] = ..., big: bool = ...) -> None: ...

class GetStatusRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetStatusResponse(_message.Message):
    __slots__ = ("mode", "local_only", "calls_left", "tokens_left", "window_ends_in_s", "big", "bild", "bild_token_s", "big_token_s")
    MODE_FIELD_NUMBER: _ClassVar[int]
    LOCAL_ONLY_FIELD_NUMBER: _ClassVar[int]
    CALLS_LEFT_FIELD_NUMBER: _ClassVar[int]
    TOKENS_LEFT_FIELD_NUMBER: _ClassVar[int]
    WINDOW_ENDS_IN_S_FIELD_NUMBER: _ClassVar[int]
    BIG_FIELD_NUMBER: _ClassVar[int]
    BILD_FIELD_NUMBER: _ClassVar[int]
    BILD_TOKEN_S_FIELD_NUMBER: _ClassVar[int]
    BIG_TOKEN_S_FIELD_NUMBER: _ClassVar[int]
    mode: _llm_pb2.Hybrid.Mode
    local_only: bool
    calls_left: int
    tokens_left: int
    window_ends_in_s: float
    big: str
    bild: bool
    bild_token_s: float
    big_token_s: float
    def __init__(self, mode: _Optional[_Union[_llm_pb2.Hybrid.Mode, str]] = ..., local_only: bool = ..., calls_left: _Optional[int] = ..., tokens_left: _Optional[int] = ..., window_ends_in_s: _Optional[float] = ..., big: _Optional[str] = ..., bild: bool = ..., bild_token_s: _Optional[float] = ..., big_token_s: _Optional[float] = ...) -> None: ...
