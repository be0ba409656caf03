from ledge.audio.v1 import audio_pb2 as _audio_pb2
from ledge.model.v1 import model_pb2 as _model_pb2
from ledge.rag.v1 import rag_pb2 as _rag_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class State(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    STATE_UNSPECIFIED: _ClassVar[State]
    IDLE: _ClassVar[State]
    USER_SPEAKING: _ClassVar[State]
    SOFT_END: _ClassVar[State]
    COMMITTED: _ClassVar[State]
    GENERATING: _ClassVar[State]
    SPEAKING: _ClassVar[State]
    INTERRUPT_PENDING: _ClassVar[State]
    CLOSING: _ClassVar[State]
STATE_UNSPECIFIED: State
IDLE: State
USER_SPEAKING: State
SOFT_END: State
COMMITTED: State
GENERATING: State
SPEAKING: State
INTERRUPT_PENDING: State
CLOSING: State

class ConverseRequest(_message.Message):
    __slots__ = ("event_id", "session", "audio", "commit_audio", "clear_audio", "create_item", "delete_item", "retrieve_item", "truncate_item", "create_response", "cancel_response", "playback", "clear_output")
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    AUDIO_FIELD_NUMBER: _ClassVar[int]
    COMMIT_AUDIO_FIELD_NUMBER: _ClassVar[int]
    CLEAR_AUDIO_FIELD_NUMBER: _ClassVar[int]
    CREATE_ITEM_FIELD_NUMBER: _ClassVar[int]
    DELETE_ITEM_FIELD_NUMBER: _ClassVar[int]
    RETRIEVE_ITEM_FIELD_NUMBER: _ClassVar[int]
    TRUNCATE_ITEM_FIELD_NUMBER: _ClassVar[int]
    CREATE_RESPONSE_FIELD_NUMBER: _ClassVar[int]
    CANCEL_RESPONSE_FIELD_NUMBER: _ClassVar[int]
    PLAYBACK_FIELD_NUMBER: _ClassVar[int]
    CLEAR_OUTPUT_FIELD_NUMBER: _ClassVar[int]
    event_id: str
    session: Session
    audio: bytes
    commit_audio: CommitAudio
    clear_audio: ClearAudio
    create_item: CreateItem
    delete_item: DeleteItem
    retrieve_item: RetrieveItem
    truncate_item: TruncateItem
    create_response: CreateResponse
    cancel_response: CancelResponse
    playback: Playback
    clear_output: ClearOutput
    def __init__(self, event_id: _Optional[str] = ..., session: _Optional[_Union[Session, _Mapping]] = ..., audio: _Optional[bytes] = ..., commit_audio: _Optional[_Union[CommitAudio, _Mapping]] = ..., clear_audio: _Optional[_Union[ClearAudio, _Mapping]] = ..., create_item: _Optional[_Union[CreateItem, _Mapping]] = ..., delete_item: _Optional[_Union[DeleteItem, _Mapping]] = ..., retrieve_item: _Optional[_Union[RetrieveItem, _Mapping]] = ..., truncate_item: _Optional[_Union[TruncateItem, _Mapping]] = ..., create_response: _Optional[_Union[CreateResponse, _Mapping]] = ..., cancel_response: _Optional[_Union[CancelResponse, _Mapping]] = ..., playback: _Optional[_Union[Playback, _Mapping]] = ..., clear_output: _Optional[_Union[ClearOutput, _Mapping]] = ...) -> None: ...

class Session(_message.Message):
    __slots__ = ("kind", "model", "instructions", "speak", "input_format", "transcription", "turn_detection", "speaking", "tools", "tool_choice", "max_output_tokens", "documents", "language")
    class Kind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        KIND_UNSPECIFIED: _ClassVar[Session.Kind]
        CONVERSATION: _ClassVar[Session.Kind]
        TRANSCRIPTION: _ClassVar[Session.Kind]
    KIND_UNSPECIFIED: Session.Kind
    CONVERSATION: Session.Kind
    TRANSCRIPTION: Session.Kind
    KIND_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    INSTRUCTIONS_FIELD_NUMBER: _ClassVar[int]
    SPEAK_FIELD_NUMBER: _ClassVar[int]
    INPUT_FORMAT_FIELD_NUMBER: _ClassVar[int]
    TRANSCRIPTION_FIELD_NUMBER: _ClassVar[int]
    TURN_DETECTION_FIELD_NUMBER: _ClassVar[int]
    SPEAKING_FIELD_NUMBER: _ClassVar[int]
    TOOLS_FIELD_NUMBER: _ClassVar[int]
    TOOL_CHOICE_FIELD_NUMBER: _ClassVar[int]
    MAX_OUTPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    DOCUMENTS_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    kind: Session.Kind
    model: str
    instructions: str
    speak: bool
    input_format: _audio_pb2.RawFormat
    transcription: Transcription
    turn_detection: TurnDetection
    speaking: Speaking
    tools: ToolList
    tool_choice: ToolChoice
    max_output_tokens: int
    documents: Documents
    language: str
    def __init__(self, kind: _Optional[_Union[Session.Kind, str]] = ..., model: _Optional[str] = ..., instructions: _Optional[str] = ..., speak: bool = ..., input_format: _Optional[_Union[_audio_pb2.RawFormat, _Mapping]] = ..., transcription: _Optional[_Union[Transcription, _Mapping]] = ..., turn_detection: _Optional[_Union[TurnDetection, _Mapping]] = ..., speaking: _Optional[_Union[Speaking, _Mapping]] = ..., tools: _Optional[_Union[ToolList, _Mapping]] = ..., tool_choice: _Optional[_Union[ToolChoice, _Mapping]] = ..., max_output_tokens: _Optional[int] = ..., documents: _Optional[_Union[Documents, _Mapping]] = ..., language: _Optional[str] = ...) -> None: ...

class Transcription(_message.Message):
    __slots__ = ("model", "hotwords", "partials")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    HOTWORDS_FIELD_NUMBER: _ClassVar[int]
    PARTIALS_FIELD_NUMBER: _ClassVar[int]
    model: str
    hotwords: _containers.RepeatedScalarFieldContainer[str]
    partials: bool
    def __init__(self, model: _Optional[str] = ..., hotwords: _Optional[_Iterable[str]] = ..., partials: bool = ...) -> None: ...

class TurnDetection(_message.Message):
    __slots__ = ("kind", "threshold", "prefix_padding_ms", "silence_ms", "create_response", "interrupt_response", "idle_timeout_ms", "eagerness")
    class Kind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        KIND_UNSPECIFIED: _ClassVar[TurnDetection.Kind]
        SERVER: _ClassVar[TurnDetection.Kind]
        SEMANTIC: _ClassVar[TurnDetection.Kind]
        MANUAL: _ClassVar[TurnDetection.Kind]
    KIND_UNSPECIFIED: TurnDetection.Kind
    SERVER: TurnDetection.Kind
    SEMANTIC: TurnDetection.Kind
    MANUAL: TurnDetection.Kind
    class Eagerness(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        EAGERNESS_UNSPECIFIED: _ClassVar[TurnDetection.Eagerness]
        LOW: _ClassVar[TurnDetection.Eagerness]
        MEDIUM: _ClassVar[TurnDetection.Eagerness]
        HIGH: _ClassVar[TurnDetection.Eagerness]
    EAGERNESS_UNSPECIFIED: TurnDetection.Eagerness
    LOW: TurnDetection.Eagerness
    MEDIUM: TurnDetection.Eagerness
    HIGH: TurnDetection.Eagerness
    KIND_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    PREFIX_PADDING_MS_FIELD_NUMBER: _ClassVar[int]
    SILENCE_MS_FIELD_NUMBER: _ClassVar[int]
    CREATE_RESPONSE_FIELD_NUMBER: _ClassVar[int]
    INTERRUPT_RESPONSE_FIELD_NUMBER: _ClassVar[int]
    IDLE_TIMEOUT_MS_FIELD_NUMBER: _ClassVar[int]
    EAGERNESS_FIELD_NUMBER: _ClassVar[int]
    kind: TurnDetection.Kind
    threshold: float
    prefix_padding_ms: int
    silence_ms: int
    create_response: bool
    interrupt_response: bool
    idle_timeout_ms: int
    eagerness: TurnDetection.Eagerness
    def __init__(self, kind: _Optional[_Union[TurnDetection.Kind, str]] = ..., threshold: _Optional[float] = ..., prefix_padding_ms: _Optional[int] = ..., silence_ms: _Optional[int] = ..., create_response: bool = ..., interrupt_response: bool = ..., idle_timeout_ms: _Optional[int] = ..., eagerness: _Optional[_Union[TurnDetection.Eagerness, str]] = ...) -> None: ...

class Speaking(_message.Message):
    __slots__ = ("voice", "encoding", "sample_rate_hz", "rate")
    VOICE_FIELD_NUMBER: _ClassVar[int]
    ENCODING_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_RATE_HZ_FIELD_NUMBER: _ClassVar[int]
    RATE_FIELD_NUMBER: _ClassVar[int]
    voice: str
    encoding: _audio_pb2.Encoding
    sample_rate_hz: int
    rate: float
    def __init__(self, voice: _Optional[str] = ..., encoding: _Optional[_Union[_audio_pb2.Encoding, str]] = ..., sample_rate_hz: _Optional[int] = ..., rate: _Optional[float] = ...) -> None: ...

class Documents(_message.Message):
    __slots__ = ("collections", "effort")
    COLLECTIONS_FIELD_NUMBER: _ClassVar[int]
    EFFORT_FIELD_NUMBER: _ClassVar[int]
    collections: _containers.RepeatedScalarFieldContainer[str]
    effort: _rag_pb2.Effort
    def __init__(self, collections: _Optional[_Iterable[str]] = ..., effort: _Optional[_Union[_rag_pb2.Effort, str]] = ...) -> None: ...

class ToolList(_message.Message):
    __slots__ = ("tools",)
    TOOLS_FIELD_NUMBER: _ClassVar[int]
    tools: _containers.RepeatedCompositeFieldContainer[Tool]
    def __init__(self, tools: _Optional[_Iterable[_Union[Tool, _Mapping]]] = ...) -> None: ...

class Tool(_message.Message):
    __slots__ = ("name", "description", "parameters_json_schema")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_JSON_SCHEMA_FIELD_NUMBER: _ClassVar[int]
    name: str
    description: str
    parameters_json_schema: str
    def __init__(self, name: _Optional[str] = ..., description: _Optional[str] = ..., parameters_json_schema: _Optional[str] = ...) -> None: ...

class ToolChoice(_message.Message):
    __slots__ = ("mode", "name")
    class Mode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        MODE_UNSPECIFIED: _ClassVar[ToolChoice.Mode]
        NONE: _ClassVar[ToolChoice.Mode]
        AUTO: _ClassVar[ToolChoice.Mode]
        REQUIRED: _ClassVar[ToolChoice.Mode]
    MODE_UNSPECIFIED: ToolChoice.Mode
    NONE: ToolChoice.Mode
    AUTO: ToolChoice.Mode
    REQUIRED: ToolChoice.Mode
    MODE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    mode: ToolChoice.Mode
    name: str
    def __init__(self, mode: _Optional[_Union[ToolChoice.Mode, str]] = ..., name: _Optional[str] = ...) -> None: ...

class CommitAudio(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ClearAudio(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class CreateItem(_message.Message):
    __slots__ = ("item", "previous_item_id")
    ITEM_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    item: Item
    previous_item_id: str
    def __init__(self, item: _Optional[_Union[Item, _Mapping]] = ..., previous_item_id: _Optional[str] = ...) -> None: ...

class DeleteItem(_message.Message):
    __slots__ = ("item_id",)
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    item_id: str
    def __init__(self, item_id: _Optional[str] = ...) -> None: ...

class RetrieveItem(_message.Message):
    __slots__ = ("item_id",)
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    item_id: str
    def __init__(self, item_id: _Optional[str] = ...) -> None: ...

class TruncateItem(_message.Message):
    __slots__ = ("item_id", "content_index", "audio_end_ms")
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    CONTENT_INDEX_FIELD_NUMBER: _ClassVar[int]
    AUDIO_END_MS_FIELD_NUMBER: _ClassVar[int]
    item_id: str
    content_index: int
    audio_end_ms: int
    def __init__(self, item_id: _Optional[str] = ..., content_index: _Optional[int] = ..., audio_end_ms: _Optional[int] = ...) -> None: ...

class CreateResponse(_message.Message):
    __slots__ = ("instructions", "speak", "tools", "tool_choice", "max_output_tokens", "out_of_band", "input", "metadata", "voice", "has_input")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    INSTRUCTIONS_FIELD_NUMBER: _ClassVar[int]
    SPEAK_FIELD_NUMBER: _ClassVar[int]
    TOOLS_FIELD_NUMBER: _ClassVar[int]
    TOOL_CHOICE_FIELD_NUMBER: _ClassVar[int]
    MAX_OUTPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    OUT_OF_BAND_FIELD_NUMBER: _ClassVar[int]
    INPUT_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    VOICE_FIELD_NUMBER: _ClassVar[int]
    HAS_INPUT_FIELD_NUMBER: _ClassVar[int]
    instructions: str
    speak: bool
    tools: ToolList
    tool_choice: ToolChoice
    max_output_tokens: int
    out_of_band: bool
    input: _containers.RepeatedCompositeFieldContainer[Item]
    metadata: _containers.ScalarMap[str, str]
    voice: str
    has_input: bool
    def __init__(self, instructions: _Optional[str] = ..., speak: bool = ..., tools: _Optional[_Union[ToolList, _Mapping]] = ..., tool_choice: _Optional[_Union[ToolChoice, _Mapping]] = ..., max_output_tokens: _Optional[int] = ..., out_of_band: bool = ..., input: _Optional[_Iterable[_Union[Item, _Mapping]]] = ..., metadata: _Optional[_Mapping[str, str]] = ..., voice: _Optional[str] = ..., has_input: bool = ...) -> None: ...

class CancelResponse(_message.Message):
    __slots__ = ("response_id",)
    RESPONSE_ID_FIELD_NUMBER: _ClassVar[int]
    response_id: str
    def __init__(self, response_id: _Optional[str] = ...) -> None: ...

class ClearOutput(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Playback(_message.Message):
    __slots__ = ("item_id", "played_ms", "ended")
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    PLAYED_MS_FIELD_NUMBER: _ClassVar[int]
    ENDED_FIELD_NUMBER: _ClassVar[int]
    item_id: str
    played_ms: int
    ended: bool
    def __init__(self, item_id: _Optional[str] = ..., played_ms: _Optional[int] = ..., ended: bool = ...) -> None: ...

class Item(_message.Message):
    __slots__ = ("id", "status", "message", "function_call", "function_call_output")
    class Role(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        ROLE_UNSPECIFIED: _ClassVar[Item.Role]
        SYSTEM: _ClassVar[Item.Role]
        USER: _ClassVar[Item.Role]
        ASSISTANT: _ClassVar[Item.Role]
    ROLE_UNSPECIFIED: Item.Role
    SYSTEM: Item.Role
    USER: Item.Role
    ASSISTANT: Item.Role
    class Status(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        STATUS_UNSPECIFIED: _ClassVar[Item.Status]
        IN_PROGRESS: _ClassVar[Item.Status]
        COMPLETED: _ClassVar[Item.Status]
        INCOMPLETE: _ClassVar[Item.Status]
    STATUS_UNSPECIFIED: Item.Status
    IN_PROGRESS: Item.Status
    COMPLETED: Item.Status
    INCOMPLETE: Item.Status
    ID_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    FUNCTION_CALL_FIELD_NUMBER: _ClassVar[int]
    FUNCTION_CALL_OUTPUT_FIELD_NUMBER: _ClassVar[int]
    id: str
    status: Item.Status
    message: Message
    function_call: FunctionCall
    function_call_output: FunctionCallOutput
    def __init__(self, id: _Optional[str] = ..., status: _Optional[_Union[Item.Status, str]] = ..., message: _Optional[_Union[Message, _Mapping]] = ..., function_call: _Optional[_Union[FunctionCall, _Mapping]] = ..., function_call_output: _Optional[_Union[FunctionCallOutput, _Mapping]] = ...) -> None: ...

class Message(_message.Message):
    __slots__ = ("role", "content")
    ROLE_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    role: Item.Role
    content: _containers.RepeatedCompositeFieldContainer[Content]
    def __init__(self, role: _Optional[_Union[Item.Role, str]] = ..., content: _Optional[_Iterable[_Union[Content, _Mapping]]] = ...) -> None: ...

class Content(_message.Message):
    __slots__ = ("text", "input_audio_transcript", "output_audio_transcript", "audio")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    INPUT_AUDIO_TRANSCRIPT_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_AUDIO_TRANSCRIPT_FIELD_NUMBER: _ClassVar[int]
    AUDIO_FIELD_NUMBER: _ClassVar[int]
    text: str
    input_audio_transcript: str
    output_audio_transcript: str
    audio: bytes
    def __init__(self, text: _Optional[str] = ..., input_audio_transcript: _Optional[str] = ..., output_audio_transcript: _Optional[str] = ..., audio: _Optional[bytes] = ...) -> None: ...

class FunctionCall(_message.Message):
    __slots__ = ("call_id", "name", "arguments_json")
    CALL_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    ARGUMENTS_JSON_FIELD_NUMBER: _ClassVar[int]
    call_id: str
    name: str
    arguments_json: str
    def __init__(self, call_id: _Optional[str] = ..., name: _Optional[str] = ..., arguments_json: _Optional[str] = ...) -> None: ...

class FunctionCallOutput(_message.Message):
    __slots__ = ("call_id", "output")
    CALL_ID_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    call_id: str
    output: str
    def __init__(self, call_id: _Optional[str] = ..., output: _Optional[str] = ...) -> None: ...

class ConverseResponse(_message.Message):
    __slots__ = ("session_created", "session_updated", "error", "speech_started", "speech_stopped", "audio_committed", "audio_cleared", "item_added", "item_done", "item_deleted", "item_retrieved", "item_truncated", "transcript_partial", "transcript_completed", "transcript_failed", "response_created", "output_item_added", "output_item_done", "content_part_added", "content_part_done", "text_delta", "text_done", "transcript_delta", "transcript_done", "audio_delta", "audio_done", "arguments_delta", "arguments_done", "response_done", "idle_timeout", "state_changed", "playback_control", "citation", "timings", "verdict", "output_cleared")
    SESSION_CREATED_FIELD_NUMBER: _ClassVar[int]
    SESSION_UPDATED_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    SPEECH_STARTED_FIELD_NUMBER: _ClassVar[int]
    SPEECH_STOPPED_FIELD_NUMBER: _ClassVar[int]
    AUDIO_COMMITTED_FIELD_NUMBER: _ClassVar[int]
    AUDIO_CLEARED_FIELD_NUMBER: _ClassVar[int]
    ITEM_ADDED_FIELD_NUMBER: _ClassVar[int]
    ITEM_DONE_FIELD_NUMBER: _ClassVar[int]
    ITEM_DELETED_FIELD_NUMBER: _ClassVar[int]
    ITEM_RETRIEVED_FIELD_NUMBER: _ClassVar[int]
    ITEM_TRUNCATED_FIELD_NUMBER: _ClassVar[int]
    TRANSCRIPT_PARTIAL_FIELD_NUMBER: _ClassVar[int]
    TRANSCRIPT_COMPLETED_FIELD_NUMBER: _ClassVar[int]
    TRANSCRIPT_FAILED_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_CREATED_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_ITEM_ADDED_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_ITEM_DONE_FIELD_NUMBER: _ClassVar[int]
    CONTENT_PART_ADDED_FIELD_NUMBER: _ClassVar[int]
    CONTENT_PART_DONE_FIELD_NUMBER: _ClassVar[int]
    TEXT_DELTA_FIELD_NUMBER: _ClassVar[int]
    TEXT_DONE_FIELD_NUMBER: _ClassVar[int]
    TRANSCRIPT_DELTA_FIELD_NUMBER: _ClassVar[int]
    TRANSCRIPT_DONE_FIELD_NUMBER: _ClassVar[int]
    AUDIO_DELTA_FIELD_NUMBER: _ClassVar[int]
    AUDIO_DONE_FIELD_NUMBER: _ClassVar[int]
    ARGUMENTS_DELTA_FIELD_NUMBER: _ClassVar[int]
    ARGUMENTS_DONE_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_DONE_FIELD_NUMBER: _ClassVar[int]
    IDLE_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    STATE_CHANGED_FIELD_NUMBER: _ClassVar[int]
    PLAYBACK_CONTROL_FIELD_NUMBER: _ClassVar[int]
    CITATION_FIELD_NUMBER: _ClassVar[int]
    TIMINGS_FIELD_NUMBER: _ClassVar[int]
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_CLEARED_FIELD_NUMBER: _ClassVar[int]
    session_created: SessionState
    session_updated: SessionState
    error: Error
    speech_started: SpeechStarted
    speech_stopped: SpeechStopped
    audio_committed: AudioCommitted
    audio_cleared: AudioCleared
    item_added: ItemAdded
    item_done: ItemAdded
    item_deleted: ItemDeleted
    item_retrieved: Item
    item_truncated: ItemTruncated
    transcript_partial: TranscriptPartial
    transcript_completed: TranscriptCompleted
    transcript_failed: TranscriptFailed
    response_created: ResponseState
    output_item_added: OutputItem
    output_item_done: OutputItem
    content_part_added: ContentPart
    content_part_done: ContentPart
    text_delta: TextDelta
    text_done: TextDelta
    transcript_delta: TextDelta
    transcript_done: TextDelta
    audio_delta: AudioDelta
    audio_done: AudioDone
    arguments_delta: ArgumentsDelta
    arguments_done: ArgumentsDone
    response_done: ResponseState
    idle_timeout: IdleTimeout
    state_changed: StateChanged
    playback_control: PlaybackControl
    citation: Citation
    timings: Timings
    verdict: Verdict
    output_cleared: OutputCleared
    def __init__(self, session_created: _Optional[_Union[SessionState, _Mapping]] = ..., session_updated: _Optional[_Union[SessionState, _Mapping]] = ..., error: _Optional[_Union[Error, _Mapping]] = ..., speech_started: _Optional[_Union[SpeechStarted, _Mapping]] = ..., speech_stopped: _Optional[_Union[SpeechStopped, _Mapping]] = ..., audio_committed: _Optional[_Union[AudioCommitted, _Mapping]] = ..., audio_cleared: _Optional[_Union[AudioCleared, _Mapping]] = ..., item_added: _Optional[_Union[ItemAdded, _Mapping]] = ..., item_done: _Optional[_Union[ItemAdded, _Mapping]] = ..., item_deleted: _Optional[_Union[ItemDeleted, _Mapping]] = ..., item_retrieved: _Optional[_Union[Item, _Mapping]] = ..., item_truncated: _Optional[_Union[ItemTruncated, _Mapping]] = ..., transcript_partial: _Optional[_Union[TranscriptPartial, _Mapping]] = ..., transcript_completed: _Optional[_Union[TranscriptCompleted, _Mapping]] = ..., transcript_failed: _Optional[_Union[TranscriptFailed, _Mapping]] = ..., response_created: _Optional[_Union[ResponseState, _Mapping]] = ..., output_item_added: _Optional[_Union[OutputItem, _Mapping]] = ..., output_item_done: _Optional[_Union[OutputItem, _Mapping]] = ..., content_part_added: _Optional[_Union[ContentPart, _Mapping]] = ..., content_part_done: _Optional[_Union[ContentPart, _Mapping]] = ..., text_delta: _Optional[_Union[TextDelta, _Mapping]] = ..., text_done: _Optional[_Union[TextDelta, _Mapping]] = ..., transcript_delta: _Optional[_Union[TextDelta, _Mapping]] = ..., transcript_done: _Optional[_Union[TextDelta, _Mapping]] = ..., audio_delta: _Optional[_Union[AudioDelta, _Mapping]] = ..., audio_done: _Optional[_Union[AudioDone, _Mapping]] = ..., arguments_delta: _Optional[_Union[ArgumentsDelta, _Mapping]] = ..., arguments_done: _Optional[_Union[ArgumentsDone, _Mapping]] = ..., response_done: _Optional[_Union[ResponseState, _Mapping]] = ..., idle_timeout: _Optional[_Union[IdleTimeout, _Mapping]] = ..., state_changed: _Optional[_Union[StateChanged, _Mapping]] = ..., playback_control: _Optional[_Union[PlaybackControl, _Mapping]] = ..., citation: _Optional[_Union[Citation, _Mapping]] = ..., timings: _Optional[_Union[Timings, _Mapping]] = ..., verdict: _Optional[_Union[Verdict, _Mapping]] = ..., output_cleared: _Optional[_Union[OutputCleared, _Mapping]] = ...) -> None: ...

class SessionState(_message.Message):
    __slots__ = ("id", "session")
    ID_FIELD_NUMBER: _ClassVar[int]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    id: str
    session: Session
    def __init__(self, id: _Optional[str] = ..., session: _Optional[_Union[Session, _Mapping]] = ...) -> None: ...

class Error(_message.Message):
    __slots__ = ("type", "code", "message", "param", "event_id")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    PARAM_FIELD_NUMBER: _ClassVar[int]
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    type: str
    code: str
    message: str
    param: str
    event_id: str
    def __init__(self, type: _Optional[str] = ..., code: _Optional[str] = ..., message: _Optional[str] = ..., param: _Optional[str] = ..., event_id: _Optional[str] = ...) -> None: ...

class SpeechStarted(_message.Message):
    __slots__ = ("audio_start_ms", "item_id")
    AUDIO_START_MS_FIELD_NUMBER: _ClassVar[int]
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    audio_start_ms: int
    item_id: str
    def __init__(self, audio_start_ms: _Optional[int] = ..., item_id: _Optional[str] = ...) -> None: ...

class SpeechStopped(_message.Message):
    __slots__ = ("audio_end_ms", "item_id")
    AUDIO_END_MS_FIELD_NUMBER: _ClassVar[int]
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    audio_end_ms: int
    item_id: str
    def __init__(self, audio_end_ms: _Optional[int] = ..., item_id: _Optional[str] = ...) -> None: ...

class AudioCommitted(_message.Message):
    __slots__ = ("previous_item_id", "item_id")
    PREVIOUS_ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    previous_item_id: str
    item_id: str
    def __init__(self, previous_item_id: _Optional[str] = ..., item_id: _Optional[str] = ...) -> None: ...

class AudioCleared(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class OutputCleared(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ItemAdded(_message.Message):
    __slots__ = ("previous_item_id", "item")
    PREVIOUS_ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    ITEM_FIELD_NUMBER: _ClassVar[int]
    previous_item_id: str
    item: Item
    def __init__(self, previous_item_id: _Optional[str] = ..., item: _Optional[_Union[Item, _Mapping]] = ...) -> None: ...

class ItemDeleted(_message.Message):
    __slots__ = ("item_id",)
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    item_id: str
    def __init__(self, item_id: _Optional[str] = ...) -> None: ...

class ItemTruncated(_message.Message):
    __slots__ = ("item_id", "content_index", "audio_end_ms")
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    CONTENT_INDEX_FIELD_NUMBER: _ClassVar[int]
    AUDIO_END_MS_FIELD_NUMBER: _ClassVar[int]
    item_id: str
    content_index: int
    audio_end_ms: int
    def __init__(self, item_id: _Optional[str] = ..., content_index: _Optional[int] = ..., audio_end_ms: _Optional[int] = ...) -> None: ...

class TranscriptPartial(_message.Message):
    __slots__ = ("item_id", "text", "stable_characters")
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    STABLE_CHARACTERS_FIELD_NUMBER: _ClassVar[int]
    item_id: str
    text: str
    stable_characters: int
    def __init__(self, item_id: _Optional[str] = ..., text: _Optional[str] = ..., stable_characters: _Optional[int] = ...) -> None: ...

class TranscriptCompleted(_message.Message):
    __slots__ = ("item_id", "content_index", "text", "language", "duration_ms")
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    CONTENT_INDEX_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    DURATION_MS_FIELD_NUMBER: _ClassVar[int]
    item_id: str
    content_index: int
    text: str
    language: str
    duration_ms: int
    def __init__(self, item_id: _Optional[str] = ..., content_index: _Optional[int] = ..., text: _Optional[str] = ..., language: _Optional[str] = ..., duration_ms: _Optional[int] = ...) -> None: ...

class TranscriptFailed(_message.Message):
    __slots__ = ("item_id", "content_index", "error")
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    CONTENT_INDEX_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    item_id: str
    content_index: int
    error: Error
    def __init__(self, item_id: _Optional[str] = ..., content_index: _Optional[int] = ..., error: _Optional[_Union[Error, _Mapping]] = ...) -> None: ...

class ResponseState(_message.Message):
    __slots__ = ("id", "status", "reason", "error", "output", "usage", "metadata", "out_of_band", "speak", "voice", "max_output_tokens", "degraded", "translated_from")
    class Status(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        STATUS_UNSPECIFIED: _ClassVar[ResponseState.Status]
        IN_PROGRESS: _ClassVar[ResponseState.Status]
        COMPLETED: _ClassVar[ResponseState.Status]
        CANCELLED: _ClassVar[ResponseState.Status]
        FAILED: _ClassVar[ResponseState.Status]
        INCOMPLETE: _ClassVar[ResponseState.Status]
    STATUS_UNSPECIFIED: ResponseState.Status
    IN_PROGRESS: ResponseState.Status
    COMPLETED: ResponseState.Status
    CANCELLED: ResponseState.Status
    FAILED: ResponseState.Status
    INCOMPLETE: ResponseState.Status
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    OUT_OF_BAND_FIELD_NUMBER: _ClassVar[int]
    SPEAK_FIELD_NUMBER: _ClassVar[int]
    VOICE_FIELD_NUMBER: _ClassVar[int]
    MAX_OUTPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    DEGRADED_FIELD_NUMBER: _ClassVar[int]
    TRANSLATED_FROM_FIELD_NUMBER: _ClassVar[int]
    id: str
    status: ResponseState.Status
    reason: str
    error: Error
    output: _containers.RepeatedCompositeFieldContainer[Item]
    usage: Usage
    metadata: _containers.ScalarMap[str, str]
    out_of_band: bool
    speak: bool
    voice: str
    max_output_tokens: int
    degraded: _containers.RepeatedScalarFieldContainer[str]
    translated_from: str
    def __init__(self, id: _Optional[str] = ..., status: _Optional[_Union[ResponseState.Status, str]] = ..., reason: _Optional[str] = ..., error: _Optional[_Union[Error, _Mapping]] = ..., output: _Optional[_Iterable[_Union[Item, _Mapping]]] = ..., usage: _Optional[_Union[Usage, _Mapping]] = ..., metadata: _Optional[_Mapping[str, str]] = ..., out_of_band: bool = ..., speak: bool = ..., voice: _Optional[str] = ..., max_output_tokens: _Optional[int] = ..., degraded: _Optional[_Iterable[str]] = ..., translated_from: _Optional[str] = ...) -> None: ...

class Usage(_message.Message):
    __slots__ = ("input_tokens", "output_tokens", "cached_input_tokens", "input_audio_ms", "output_audio_ms")
    INPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    CACHED_INPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    INPUT_AUDIO_MS_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_AUDIO_MS_FIELD_NUMBER: _ClassVar[int]
    input_tokens: int
    output_tokens: int
    cached_input_tokens: int
    input_audio_ms: int
    output_audio_ms: int
    def __init__(self, input_tokens: _Optional[int] = ..., output_tokens: _Optional[int] = ..., cached_input_tokens: _Optional[int] = ..., input_audio_ms: _Optional[int] = ..., output_audio_ms: _Optional[int] = ...) -> None: ...

class OutputItem(_message.Message):
    __slots__ = ("response_id", "output_index", "item")
    RESPONSE_ID_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_INDEX_FIELD_NUMBER: _ClassVar[int]
    ITEM_FIELD_NUMBER: _ClassVar[int]
    response_id: str
    output_index: int
    item: Item
    def __init__(self, response_id: _Optional[str] = ..., output_index: _Optional[int] = ..., item: _Optional[_Union[Item, _Mapping]] = ...) -> None: ...

class ContentPart(_message.Message):
    __slots__ = ("response_id", "item_id", "output_index", "content_index", "content")
    RESPONSE_ID_FIELD_NUMBER: _ClassVar[int]
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_INDEX_FIELD_NUMBER: _ClassVar[int]
    CONTENT_INDEX_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    response_id: str
    item_id: str
    output_index: int
    content_index: int
    content: Content
    def __init__(self, response_id: _Optional[str] = ..., item_id: _Optional[str] = ..., output_index: _Optional[int] = ..., content_index: _Optional[int] = ..., content: _Optional[_Union[Content, _Mapping]] = ...) -> None: ...

class TextDelta(_message.Message):
    __slots__ = ("response_id", "item_id", "output_index", "content_index", "text")
    RESPONSE_ID_FIELD_NUMBER: _ClassVar[int]
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_INDEX_FIELD_NUMBER: _ClassVar[int]
    CONTENT_INDEX_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    response_id: str
    item_id: str
    output_index: int
    content_index: int
    text: str
    def __init__(self, response_id: _Optional[str] = ..., item_id: _Optional[str] = ..., output_index: _Optional[int] = ..., content_index: _Optional[int] = ..., text: _Optional[str] = ...) -> None: ...

class AudioDelta(_message.Message):
    __slots__ = ("response_id", "item_id", "output_index", "content_index", "audio", "offset_ms")
    RESPONSE_ID_FIELD_NUMBER: _ClassVar[int]
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_INDEX_FIELD_NUMBER: _ClassVar[int]
    CONTENT_INDEX_FIELD_NUMBER: _ClassVar[int]
    AUDIO_FIELD_NUMBER: _ClassVar[int]
    OFFSET_MS_FIELD_NUMBER: _ClassVar[int]
    response_id: str
    item_id: str
    output_index: int
    content_index: int
    audio: bytes
    offset_ms: int
    def __init__(self, response_id: _Optional[str] = ..., item_id: _Optional[str] = ..., output_index: _Optional[int] = ..., content_index: _Optional[int] = ..., audio: _Optional[bytes] = ..., offset_ms: _Optional[int] = ...) -> None: ...

class AudioDone(_message.Message):
    __slots__ = ("response_id", "item_id", "output_index", "content_index")
    RESPONSE_ID_FIELD_NUMBER: _ClassVar[int]
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_INDEX_FIELD_NUMBER: _ClassVar[int]
    CONTENT_INDEX_FIELD_NUMBER: _ClassVar[int]
    response_id: str
    item_id: str
    output_index: int
    content_index: int
    def __init__(self, response_id: _Optional[str] = ..., item_id: _Optional[str] = ..., output_index: _Optional[int] = ..., content_index: _Optional[int] = ...) -> None: ...

class ArgumentsDelta(_message.Message):
    __slots__ = ("response_id", "item_id", "output_index", "call_id", "delta")
    RESPONSE_ID_FIELD_NUMBER: _ClassVar[int]
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_INDEX_FIELD_NUMBER: _ClassVar[int]
    CALL_ID_FIELD_NUMBER: _ClassVar[int]
    DELTA_FIELD_NUMBER: _ClassVar[int]
    response_id: str
    item_id: str
    output_index: int
    call_id: str
    delta: str
    def __init__(self, response_id: _Optional[str] = ..., item_id: _Optional[str] = ..., output_index: _Optional[int] = ..., call_id: _Optional[str] = ..., delta: _Optional[str] = ...) -> None: ...

class ArgumentsDone(_message.Message):
    __slots__ = ("response_id", "item_id", "output_index", "call_id", "name", "arguments_json")
    RESPONSE_ID_FIELD_NUMBER: _ClassVar[int]
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_INDEX_FIELD_NUMBER: _ClassVar[int]
    CALL_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    ARGUMENTS_JSON_FIELD_NUMBER: _ClassVar[int]
    response_id: str
    item_id: str
    output_index: int
    call_id: str
    name: str
    arguments_json: str
    def __init__(self, response_id: _Optional[str] = ..., item_id: _Optional[str] = ..., output_index: _Optional[int] = ..., call_id: _Optional[str] = ..., name: _Optional[str] = ..., arguments_json: _Optional[str] = ...) -> None: ...

class IdleTimeout(_message.Message):
    __slots__ = ("item_id", "audio_start_ms", "audio_end_ms")
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    AUDIO_START_MS_FIELD_NUMBER: _ClassVar[int]
    AUDIO_END_MS_FIELD_NUMBER: _ClassVar[int]
    item_id: str
    audio_start_ms: int
    audio_end_ms: int
    def __init__(self, item_id: _Optional[str] = ..., audio_start_ms: _Optional[int] = ..., audio_end_ms: _Optional[int] = ...) -> None: ...

class StateChanged(_message.Message):
    __slots__ = ("state", "previous")
    STATE_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_FIELD_NUMBER: _ClassVar[int]
    state: State
    previous: State
    def __init__(self, state: _Optional[_Union[State, str]] = ..., previous: _Optional[_Union[State, str]] = ...) -> None: ...

class PlaybackControl(_message.Message):
    __slots__ = ("action", "item_id")
    class Action(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        ACTION_UNSPECIFIED: _ClassVar[PlaybackControl.Action]
        DUCK: _ClassVar[PlaybackControl.Action]
        RESUME: _ClassVar[PlaybackControl.Action]
        STOP: _ClassVar[PlaybackControl.Action]
    ACTION_UNSPECIFIED: PlaybackControl.Action
    DUCK: PlaybackControl.Action
    RESUME: PlaybackControl.Action
    STOP: PlaybackControl.Action
    ACTION_FIELD_NUMBER: _ClassVar[int]
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    action: PlaybackControl.Action
    item_id: str
    def __init__(self, action: _Optional[_Union[PlaybackControl.Action, str]] = ..., item_id: _Optional[str] = ...) -> None: ...

class Citation(_message.Message):
    __slots__ = ("response_id", "item_id", "citation")
    RESPONSE_ID_FIELD_NUMBER: _ClassVar[int]
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    CITATION_FIELD_NUMBER: _ClassVar[int]
    response_id: str
    item_id: str
    citation: _rag_pb2.Citation
    def __init__(self, response_id: _Optional[str] = ..., item_id: _Optional[str] = ..., citation: _Optional[_Union[_rag_pb2.Citation, _Mapping]] = ...) -> None: ...

class Verdict(_message.Message):
    __slots__ = ("response_id", "item_id", "verdict")
    RESPONSE_ID_FIELD_NUMBER: _ClassVar[int]
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    response_id: str
    item_id: str
    verdict: _rag_pb2.Verdict
    def __init__(self, response_id: _Optional[str] = ..., item_id: _Optional[str] = ..., verdict: _Optional[_Union[_rag_pb2.Verdict, _Mapping]] = ...) -> None: ...

class Timings(_message.Message):
    __slots__ = ("response_id", "endpoint_ms", "transcript_ms", "retrieval_ms", "first_text_ms", "first_audio_ms", "done_ms", "speculative", "discarded", "steps")
    RESPONSE_ID_FIELD_NUMBER: _ClassVar[int]
    ENDPOINT_MS_FIELD_NUMBER: _ClassVar[int]
    TRANSCRIPT_MS_FIELD_NUMBER: _ClassVar[int]
    RETRIEVAL_MS_FIELD_NUMBER: _ClassVar[int]
    FIRST_TEXT_MS_FIELD_NUMBER: _ClassVar[int]
    FIRST_AUDIO_MS_FIELD_NUMBER: _ClassVar[int]
    DONE_MS_FIELD_NUMBER: _ClassVar[int]
    SPECULATIVE_FIELD_NUMBER: _ClassVar[int]
    DISCARDED_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    response_id: str
    endpoint_ms: float
    transcript_ms: float
    retrieval_ms: float
    first_text_ms: float
    first_audio_ms: float
    done_ms: float
    speculative: bool
    discarded: int
    steps: _containers.RepeatedCompositeFieldContainer[_rag_pb2.Step]
    def __init__(self, response_id: _Optional[str] = ..., endpoint_ms: _Optional[float] = ..., transcript_ms: _Optional[float] = ..., retrieval_ms: _Optional[float] = ..., first_text_ms: _Optional[float] = ..., first_audio_ms: _Optional[float] = ..., done_ms: _Optional[float] = ..., speculative: bool = ..., discarded: _Optional[int] = ..., steps: _Optional[_Iterable[_Union[_rag_pb2.Step, _Mapping]]] = ...) -> None: ...

class TranslateSpeechRequest(_message.Message):
    __slots__ = ("config", "audio")
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    AUDIO_FIELD_NUMBER: _ClassVar[int]
    config: TranslateSpeechConfig
    audio: bytes
    def __init__(self, config: _Optional[_Union[TranslateSpeechConfig, _Mapping]] = ..., audio: _Optional[bytes] = ...) -> None: ...

class TranslateSpeechConfig(_message.Message):
    __slots__ = ("input_format", "source_language", "target_language", "speak", "speaking", "partials", "silence_ms", "transcription", "protected_terms")
    class ProtectedTermsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    INPUT_FORMAT_FIELD_NUMBER: _ClassVar[int]
    SOURCE_LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    TARGET_LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    SPEAK_FIELD_NUMBER: _ClassVar[int]
    SPEAKING_FIELD_NUMBER: _ClassVar[int]
    PARTIALS_FIELD_NUMBER: _ClassVar[int]
    SILENCE_MS_FIELD_NUMBER: _ClassVar[int]
    TRANSCRIPTION_FIELD_NUMBER: _ClassVar[int]
    PROTECTED_TERMS_FIELD_NUMBER: _ClassVar[int]
    input_format: _audio_pb2.RawFormat
    source_language: str
    target_language: str
    speak: bool
    speaking: Speaking
    partials: bool
    silence_ms: int
    transcription: Transcription
    protected_terms: _containers.ScalarMap[str, str]
    def __init__(self, input_format: _Optional[_Union[_audio_pb2.RawFormat, _Mapping]] = ..., source_language: _Optional[str] = ..., target_language: _Optional[str] = ..., speak: bool = ..., speaking: _Optional[_Union[Speaking, _Mapping]] = ..., partials: bool = ..., silence_ms: _Optional[int] = ..., transcription: _Optional[_Union[Transcription, _Mapping]] = ..., protected_terms: _Optional[_Mapping[str, str]] = ...) -> None: ...

class TranslateSpeechResponse(_message.Message):
    __slots__ = ("speech_started", "speech_stopped", "partial", "final", "audio", "end")
    SPEECH_STARTED_FIELD_NUMBER: _ClassVar[int]
    SPEECH_STOPPED_FIELD_NUMBER: _ClassVar[int]
    PARTIAL_FIELD_NUMBER: _ClassVar[int]
    FINAL_FIELD_NUMBER: _ClassVar[int]
    AUDIO_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    speech_started: SpeechStarted
    speech_stopped: SpeechStopped
    partial: TranslatedSpeech
    final: TranslatedSpeech
    audio: TranslatedAudio
    end: TranslateSpeechEnd
    def __init__(self, speech_started: _Optional[_Union[SpeechStarted, _Mapping]] = ..., speech_stopped: _Optional[_Union[SpeechStopped, _Mapping]] = ..., partial: _Optional[_Union[TranslatedSpeech, _Mapping]] = ..., final: _Optional[_Union[TranslatedSpeech, _Mapping]] = ..., audio: _Optional[_Union[TranslatedAudio, _Mapping]] = ..., end: _Optional[_Union[TranslateSpeechEnd, _Mapping]] = ...) -> None: ...

class TranslatedSpeech(_message.Message):
    __slots__ = ("index", "source_text", "source_language", "text", "language", "start_ms", "end_ms", "stable_characters", "untranslated")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    SOURCE_TEXT_FIELD_NUMBER: _ClassVar[int]
    SOURCE_LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    START_MS_FIELD_NUMBER: _ClassVar[int]
    END_MS_FIELD_NUMBER: _ClassVar[int]
    STABLE_CHARACTERS_FIELD_NUMBER: _ClassVar[int]
    UNTRANSLATED_FIELD_NUMBER: _ClassVar[int]
    index: int
    source_text: str
    source_language: str
    text: str
    language: str
    start_ms: int
    end_ms: int
    stable_characters: int
    untranslated: str
    def __init__(self, index: _Optional[int] = ..., source_text: _Optional[str] = ..., source_language: _Optional[str] = ..., text: _Optional[str] = ..., language: _Optional[str] = ..., start_ms: _Optional[int] = ..., end_ms: _Optional[int] = ..., stable_characters: _Optional[int] = ..., untranslated: _Optional[str] = ...) -> None: ...

class TranslatedAudio(_message.Message):
    __slots__ = ("index", "audio", "encoding", "sample_rate_hz")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    AUDIO_FIELD_NUMBER: _ClassVar[int]
    ENCODING_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_RATE_HZ_FIELD_NUMBER: _ClassVar[int]
    index: int
    audio: bytes
    encoding: _audio_pb2.Encoding
    sample_rate_hz: int
    def __init__(self, index: _Optional[int] = ..., audio: _Optional[bytes] = ..., encoding: _Optional[_Union[_audio_pb2.Encoding, str]] = ..., sample_rate_hz: _Optional[int] = ...) -> None: ...

class TranslateSpeechEnd(_message.Message):
    __slots__ = ("heard_ms", "utterances")
    HEARD_MS_FIELD_NUMBER: _ClassVar[int]
    UTTERANCES_FIELD_NUMBER: _ClassVar[int]
    heard_ms: int
    utterances: int
    def __init__(self, heard_ms: _Optional[int] = ..., utterances: _Optional[int] = ...) -> None: ...

class ListModelsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListModelsResponse(_message.Message):
    __slots__ = ("models",)
    MODELS_FIELD_NUMBER: _ClassVar[int]
    models: _containers.RepeatedCompositeFieldContainer[_model_pb2.ModelInfo]
    def __init__(self, models: _Optional[_Iterable[_Union[_model_pb2.ModelInfo, _Mapping]]] = ...) -> None: ...
