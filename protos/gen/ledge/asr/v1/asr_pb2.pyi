from ledge.audio.v1 import audio_pb2 as _audio_pb2
from ledge.model.v1 import model_pb2 as _model_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Recognition(_message.Message):
    __slots__ = ("model", "language", "task", "word_times", "hotwords")
    class Task(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        TASK_UNSPECIFIED: _ClassVar[Recognition.Task]
        TRANSCRIBE: _ClassVar[Recognition.Task]
        TRANSLATE: _ClassVar[Recognition.Task]
    TASK_UNSPECIFIED: Recognition.Task
    TRANSCRIBE: Recognition.Task
    TRANSLATE: Recognition.Task
    MODEL_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    TASK_FIELD_NUMBER: _ClassVar[int]
    WORD_TIMES_FIELD_NUMBER: _ClassVar[int]
    HOTWORDS_FIELD_NUMBER: _ClassVar[int]
    model: str
    language: str
    task: Recognition.Task
    word_times: bool
    hotwords: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, model: _Optional[str] = ..., language: _Optional[str] = ..., task: _Optional[_Union[Recognition.Task, str]] = ..., word_times: bool = ..., hotwords: _Optional[_Iterable[str]] = ...) -> None: ...

class TranscribeRequest(_message.Message):
    __slots__ = ("audio", "raw", "recognition")
    AUDIO_FIELD_NUMBER: _ClassVar[int]
    RAW_FIELD_NUMBER: _ClassVar[int]
    RECOGNITION_FIELD_NUMBER: _ClassVar[int]
    audio: bytes
    raw: _audio_pb2.RawFormat
    recognition: Recognition
    def __init__(self, audio: _Optional[bytes] = ..., raw: _Optional[_Union[_audio_pb2.RawFormat, _Mapping]] = ..., recognition: _Optional[_Union[Recognition, _Mapping]] = ...) -> None: ...

class TranscribeResponse(_message.Message):
    __slots__ = ("model", "text", "language", "duration_ms", "utterances")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    DURATION_MS_FIELD_NUMBER: _ClassVar[int]
    UTTERANCES_FIELD_NUMBER: _ClassVar[int]
    model: str
    text: str
    language: str
    duration_ms: int
    utterances: _containers.RepeatedCompositeFieldContainer[Utterance]
    def __init__(self, model: _Optional[str] = ..., text: _Optional[str] = ..., language: _Optional[str] = ..., duration_ms: _Optional[int] = ..., utterances: _Optional[_Iterable[_Union[Utterance, _Mapping]]] = ...) -> None: ...

class TranscribeFileRequest(_message.Message):
    __slots__ = ("transcribe",)
    TRANSCRIBE_FIELD_NUMBER: _ClassVar[int]
    transcribe: TranscribeRequest
    def __init__(self, transcribe: _Optional[_Union[TranscribeRequest, _Mapping]] = ...) -> None: ...

class TranscribeFileResponse(_message.Message):
    __slots__ = ("speech_started", "speech_ended", "final", "end")
    SPEECH_STARTED_FIELD_NUMBER: _ClassVar[int]
    SPEECH_ENDED_FIELD_NUMBER: _ClassVar[int]
    FINAL_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    speech_started: SpeechStarted
    speech_ended: SpeechEnded
    final: Utterance
    end: End
    def __init__(self, speech_started: _Optional[_Union[SpeechStarted, _Mapping]] = ..., speech_ended: _Optional[_Union[SpeechEnded, _Mapping]] = ..., final: _Optional[_Union[Utterance, _Mapping]] = ..., end: _Optional[_Union[End, _Mapping]] = ...) -> None: ...

class End(_message.Message):
    __slots__ = ("model", "language", "duration_ms")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    DURATION_MS_FIELD_NUMBER: _ClassVar[int]
    model: str
    language: str
    duration_ms: int
    def __init__(self, model: _Optional[str] = ..., language: _Optional[str] = ..., duration_ms: _Optional[int] = ...) -> None: ...

class Utterance(_message.Message):
    __slots__ = ("text", "start_ms", "end_ms", "confidence", "words", "language")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    START_MS_FIELD_NUMBER: _ClassVar[int]
    END_MS_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    WORDS_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    text: str
    start_ms: int
    end_ms: int
    confidence: float
    words: _containers.RepeatedCompositeFieldContainer[Word]
    language: str
    def __init__(self, text: _Optional[str] = ..., start_ms: _Optional[int] = ..., end_ms: _Optional[int] = ..., confidence: _Optional[float] = ..., words: _Optional[_Iterable[_Union[Word, _Mapping]]] = ..., language: _Optional[str] = ...) -> None: ...

class Word(_message.Message):
    __slots__ = ("text", "start_ms", "end_ms", "confidence")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    START_MS_FIELD_NUMBER: _ClassVar[int]
    END_MS_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    text: str
    start_ms: int
    end_ms: int
    confidence: float
    def __init__(self, text: _Optional[str] = ..., start_ms: _Optional[int] = ..., end_ms: _Optional[int] = ..., confidence: _Optional[float] = ...) -> None: ...

class TranscribeStreamRequest(_message.Message):
    __slots__ = ("config", "audio", "end_utterance")
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    AUDIO_FIELD_NUMBER: _ClassVar[int]
    END_UTTERANCE_FIELD_NUMBER: _ClassVar[int]
    config: StreamConfig
    audio: bytes
    end_utterance: EndUtterance
    def __init__(self, config: _Optional[_Union[StreamConfig, _Mapping]] = ..., audio: _Optional[bytes] = ..., end_utterance: _Optional[_Union[EndUtterance, _Mapping]] = ...) -> None: ...

class StreamConfig(_message.Message):
    __slots__ = ("format", "recognition", "partials", "endpointing", "progress_ms")
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    RECOGNITION_FIELD_NUMBER: _ClassVar[int]
    PARTIALS_FIELD_NUMBER: _ClassVar[int]
    ENDPOINTING_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_MS_FIELD_NUMBER: _ClassVar[int]
    format: _audio_pb2.RawFormat
    recognition: Recognition
    partials: bool
    endpointing: Endpointing
    progress_ms: int
    def __init__(self, format: _Optional[_Union[_audio_pb2.RawFormat, _Mapping]] = ..., recognition: _Optional[_Union[Recognition, _Mapping]] = ..., partials: bool = ..., endpointing: _Optional[_Union[Endpointing, _Mapping]] = ..., progress_ms: _Optional[int] = ...) -> None: ...

class Endpointing(_message.Message):
    __slots__ = ("silence_ms", "threshold", "manual")
    SILENCE_MS_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    MANUAL_FIELD_NUMBER: _ClassVar[int]
    silence_ms: int
    threshold: float
    manual: bool
    def __init__(self, silence_ms: _Optional[int] = ..., threshold: _Optional[float] = ..., manual: bool = ...) -> None: ...

class EndUtterance(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class TranscribeStreamResponse(_message.Message):
    __slots__ = ("speech_started", "partial", "speech_ended", "final", "progress", "heard_ms")
    SPEECH_STARTED_FIELD_NUMBER: _ClassVar[int]
    PARTIAL_FIELD_NUMBER: _ClassVar[int]
    SPEECH_ENDED_FIELD_NUMBER: _ClassVar[int]
    FINAL_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    HEARD_MS_FIELD_NUMBER: _ClassVar[int]
    speech_started: SpeechStarted
    partial: Partial
    speech_ended: SpeechEnded
    final: Utterance
    progress: Progress
    heard_ms: int
    def __init__(self, speech_started: _Optional[_Union[SpeechStarted, _Mapping]] = ..., partial: _Optional[_Union[Partial, _Mapping]] = ..., speech_ended: _Optional[_Union[SpeechEnded, _Mapping]] = ..., final: _Optional[_Union[Utterance, _Mapping]] = ..., progress: _Optional[_Union[Progress, _Mapping]] = ..., heard_ms: _Optional[int] = ...) -> None: ...

class Progress(_message.Message):
    __slots__ = ("speech_until_ms", "utterance_ended")
    SPEECH_UNTIL_MS_FIELD_NUMBER: _ClassVar[int]
    UTTERANCE_ENDED_FIELD_NUMBER: _ClassVar[int]
    speech_until_ms: int
    utterance_ended: bool
    def __init__(self, speech_until_ms: _Optional[int] = ..., utterance_ended: bool = ...) -> None: ...

class SpeechStarted(_message.Message):
    __slots__ = ("offset_ms",)
    OFFSET_MS_FIELD_NUMBER: _ClassVar[int]
    offset_ms: int
    def __init__(self, offset_ms: _Optional[int] = ...) -> None: ...

class SpeechEnded(_message.Message):
    __slots__ = ("offset_ms",)
    OFFSET_MS_FIELD_NUMBER: _ClassVar[int]
    offset_ms: int
    def __init__(self, offset_ms: _Optional[int] = ...) -> None: ...

class Partial(_message.Message):
    __slots__ = ("text", "stable_characters")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    STABLE_CHARACTERS_FIELD_NUMBER: _ClassVar[int]
    text: str
    stable_characters: int
    def __init__(self, text: _Optional[str] = ..., stable_characters: _Optional[int] = ...) -> None: ...

class AsrModel(_message.Message):
    __slots__ = ("info", "languages", "detects_language", "hotwords", "translates")
    INFO_FIELD_NUMBER: _ClassVar[int]
    LANGUAGES_FIELD_NUMBER: _ClassVar[int]
    DETECTS_LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    HOTWORDS_FIELD_NUMBER: _ClassVar[int]
    TRANSLATES_FIELD_NUMBER: _ClassVar[int]
    info: _model_pb2.ModelInfo
    languages: _containers.RepeatedScalarFieldContainer[str]
    detects_language: bool
    hotwords: bool
    translates: bool
    def __init__(self, info: _Optional[_Union[_model_pb2.ModelInfo, _Mapping]] = ..., languages: _Optional[_Iterable[str]] = ..., detects_language: bool = ..., hotwords: bool = ..., translates: bool = ...) -> None: ...

class ListModelsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListModelsResponse(_message.Message):
    __slots__ = ("models",)
    MODELS_FIELD_NUMBER: _ClassVar[int]
    models: _containers.RepeatedCompositeFieldContainer[AsrModel]
    def __init__(self, models: _Optional[_Iterable[_Union[AsrModel, _Mapping]]] = ...) -> None: ...
