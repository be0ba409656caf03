from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Encoding(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ENCODING_UNSPECIFIED: _ClassVar[Encoding]
    PCM_S16LE: _ClassVar[Encoding]
    MULAW: _ClassVar[Encoding]
    ALAW: _ClassVar[Encoding]
    WAV: _ClassVar[Encoding]
    FLAC: _ClassVar[Encoding]
    OGG_OPUS: _ClassVar[Encoding]
    MP3: _ClassVar[Encoding]
ENCODING_UNSPECIFIED: Encoding
PCM_S16LE: Encoding
MULAW: Encoding
ALAW: Encoding
WAV: Encoding
FLAC: Encoding
OGG_OPUS: Encoding
MP3: Encoding

class RawFormat(_message.Message):
    __slots__ = ("encoding", "sample_rate_hz", "channels")
    ENCODING_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_RATE_HZ_FIELD_NUMBER: _ClassVar[int]
    CHANNELS_FIELD_NUMBER: _ClassVar[int]
    encoding: Encoding
    sample_rate_hz: int
    channels: int
    def __init__(self, encoding: _Optional[_Union[Encoding, str]] = ..., sample_rate_hz: _Optional[int] = ..., channels: _Optional[int] = ...) -> None: ...
