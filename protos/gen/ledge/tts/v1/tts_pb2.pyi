from ledge.audio.v1 import audio_pb2 as _audio_pb2
from ledge.model.v1 import model_pb2 as _model_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Speech(_message.Message):
    __slots__ = ("voice", "language", "model", "encoding", "sample_rate_hz", "rate", "word_times")
    VOICE_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    ENCODING_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_RATE_HZ_FIELD_NUMBER: _ClassVar[int]
    RATE_FIELD_NUMBER: _ClassVar[int]
    WORD_TIMES_FIELD_NUMBER: _ClassVar[int]
    voice: str
    language: str
    model: str
    encoding: _audio_pb2.Encoding
    sample_rate_hz: int
    rate: float
    word_times: bool
    def __init__(self, voice: _Optional[str] = ..., language: _Optional[str] = ..., model: _Optional[str] = ..., encoding: _Optional[_Union[_audio_pb2.Encoding, str]] = ..., sample_rate_hz: _Optional[int] = ..., rate: _Optional[float] = ..., word_times: bool = ...) -> None: ...

class Input(_message.Message):
    __slots__ = ("text", "ssml")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    SSML_FIELD_NUMBER: _ClassVar[int]
    text: str
    ssml: str
    def __init__(self, text: _Optional[str] = ..., ssml: _Optional[str] = ...) -> None: ...

class SynthesizeRequest(_message.Message):
    __slots__ = ("speech", "input")
    SPEECH_FIELD_NUMBER: _ClassVar[int]
    INPUT_FIELD_NUMBER: _ClassVar[int]
    speech: Speech
    input: Input
    def __init__(self, speech: _Optional[_Union[Speech, _Mapping]] = ..., input: _Optional[_Union[Input, _Mapping]] = ...) -> None: ...

class SynthesizeResponse(_message.Message):
    __slots__ = ("audio", "encoding", "sample_rate_hz", "duration_ms", "voice", "words")
    AUDIO_FIELD_NUMBER: _ClassVar[int]
    ENCODING_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_RATE_HZ_FIELD_NUMBER: _ClassVar[int]
    DURATION_MS_FIELD_NUMBER: _ClassVar[int]
    VOICE_FIELD_NUMBER: _ClassVar[int]
    WORDS_FIELD_NUMBER: _ClassVar[int]
    audio: bytes
    encoding: _audio_pb2.Encoding
    sample_rate_hz: int
    duration_ms: int
    voice: str
    words: _containers.RepeatedCompositeFieldContainer[WordTime]
    def __init__(self, audio: _Optional[bytes] = ..., encoding: _Optional[_Union[_audio_pb2.Encoding, str]] = ..., sample_rate_hz: _Optional[int] = ..., duration_ms: _Optional[int] = ..., voice: _Optional[str] = ..., words: _Optional[_Iterable[_Union[WordTime, _Mapping]]] = ...) -> None: ...

class WordTime(_message.Message):
    __slots__ = ("text", "start_ms", "end_ms")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    START_MS_FIELD_NUMBER: _ClassVar[int]
    END_MS_FIELD_NUMBER: _ClassVar[int]
    text: str
    start_ms: int
    end_ms: int
    def __init__(self, text: _Optional[str] = ..., start_ms: _Optional[int] = ..., end_ms: _Optional[int] = ...) -> None: ...

class SynthesizeStreamRequest(_message.Message):
    __slots__ = ("config", "text", "flush")
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    FLUSH_FIELD_NUMBER: _ClassVar[int]
    config: Speech
    text: str
    flush: Flush
    def __init__(self, config: _Optional[_Union[Speech, _Mapping]] = ..., text: _Optional[str] = ..., flush: _Optional[_Union[Flush, _Mapping]] = ...) -> None: ...

class Flush(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class SynthesizeStreamResponse(_message.Message):
    __slots__ = ("audio", "offset_ms", "format", "words")
    AUDIO_FIELD_NUMBER: _ClassVar[int]
    OFFSET_MS_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    WORDS_FIELD_NUMBER: _ClassVar[int]
    audio: bytes
    offset_ms: int
    format: StreamFormat
    words: _containers.RepeatedCompositeFieldContainer[WordTime]
    def __init__(self, audio: _Optional[bytes] = ..., offset_ms: _Optional[int] = ..., format: _Optional[_Union[StreamFormat, _Mapping]] = ..., words: _Optional[_Iterable[_Union[WordTime, _Mapping]]] = ...) -> None: ...

class StreamFormat(_message.Message):
    __slots__ = ("encoding", "sample_rate_hz", "voice")
    ENCODING_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_RATE_HZ_FIELD_NUMBER: _ClassVar[int]
    VOICE_FIELD_NUMBER: _ClassVar[int]
    encoding: _audio_pb2.Encoding
    sample_rate_hz: int
    voice: str
    def __init__(self, encoding: _Optional[_Union[_audio_pb2.Encoding, str]] = ..., sample_rate_hz: _Optional[int] = ..., voice: _Optional[str] = ...) -> None: ...

class Voice(_message.Message):
    __slots__ = ("id", "language", "gender", "licence", "sample_rate_hz", "default_of_language")
    class Gender(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        GENDER_UNSPECIFIED: _ClassVar[Voice.Gender]
        FEMALE: _ClassVar[Voice.Gender]
        MALE: _ClassVar[Voice.Gender]
        NEUTRAL: _ClassVar[Voice.Gender]
    GENDER_UNSPECIFIED: Voice.Gender
    FEMALE: Voice.Gender
    MALE: Voice.Gender
    NEUTRAL: Voice.Gender
    ID_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    GENDER_FIELD_NUMBER: _ClassVar[int]
    LICENCE_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_RATE_HZ_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_OF_LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    id: str
    language: str
    gender: Voice.Gender
    licence: str
    sample_rate_hz: int
    default_of_language: bool
    def __init__(self, id: _Optional[str] = ..., language: _Optional[str] = ..., gender: _Optional[_Union[Voice.Gender, str]] = ..., licence: _Optional[str] = ..., sample_rate_hz: _Optional[int] = ..., default_of_language: bool = ...) -> None: ...

class ListVoicesRequest(_message.Message):
    __slots__ = ("language",)
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    language: str
    def __init__(self, language: _Optional[str] = ...) -> None: ...

class ListVoicesResponse(_message.Message):
    __slots__ = ("voices", "models")
    VOICES_FIELD_NUMBER: _ClassVar[int]
    MODELS_FIELD_NUMBER: _ClassVar[int]
    voices: _containers.RepeatedCompositeFieldContainer[Voice]
    models: _containers.RepeatedCompositeFieldContainer[_model_pb2.ModelInfo]
    def __init__(self, voices: _Optional[_Iterable[_Union[Voice, _Mapping]]] = ..., models: _Optional[_Iterable[_Union[_model_pb2.ModelInfo, _Mapping]]] = ...) -> None: ...
