"""What a session is set to: checked, with every default filled in."""

import re

from ledge.audio.v1 import audio_pb2
from ledge.rag.v1 import rag_pb2
from ledge.voice.v1 import voice_pb2 as pb

from services.voice.config import VoiceConfig
from services.voice.faults import Fault
from services.voice.turns.inputs import Rules

MAX_INSTRUCTIONS_CHARACTERS = 32_768
MAX_TOOLS = 128
MAX_SCHEMA_BYTES = 256 * 1024
"""Of all tools together."""
MAX_COLLECTIONS = 16
MAX_NAME_CHARACTERS = 256
SPOKEN_HZ = {audio_pb2.PCM_S16LE: 24_000, audio_pb2.MULAW: 8_000, audio_pb2.ALAW: 8_000}
LONGEST_SILENCE_MS = {
    pb.TurnDetection.LOW: 8000,
    pb.TurnDetection.MEDIUM: 4000,
    pb.TurnDetection.HIGH: 2000,
}
_TOOL_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_LANGUAGE = re.compile(r"(?:[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8})*)?")
_KEPT_FOR_LIFE = ("kind", "model")


def first_settings(asked: pb.Session, config: VoiceConfig) -> pb.Session:
    """Raises Fault."""
    session = pb.Session(
        kind=pb.Session.CONVERSATION,
        model=config.rag_model,
        instructions="",
        speak=True,
        input_format=audio_pb2.RawFormat(encoding=audio_pb2.PCM_S16LE, sample_rate_hz=24_000, channels=1),
        transcription=pb.Transcription(),
        turn_detection=pb.TurnDetection(
            kind=pb.TurnDetection.SERVER,
            threshold=0.5,
            prefix_padding_ms=300,
            silence_ms=config.silence_ms,
            create_response=True,
            interrupt_response=True,
            eagerness=pb.TurnDetection.MEDIUM,
        ),
        speaking=pb.Speaking(encoding=audio_pb2.PCM_S16LE, rate=1),
        tools=pb.ToolList(),
        tool_choice=pb.ToolChoice(mode=pb.ToolChoice.AUTO),
        max_output_tokens=0,
        documents=pb.Documents(),
        language="",
    )
    return _changed(session, asked)


def later_settings(current: pb.Session, asked: pb.Session, *, audio_waits: bool) -> pb.Session:
    """What `asked` leaves open stays as it is. Raises Fault, and then nothing has changed."""
    if asked.kind not in (pb.Session.KIND_UNSPECIFIED, current.kind):
        raise Fault("invalid_value", "the kind of a session does not change", "session.kind")
    if asked.HasField("model") and asked.model not in ("", current.model):
        raise Fault("invalid_value", "the model of a session does not change", "session.model")
    changed = _changed(current, asked)
    if audio_waits and changed.input_format != current.input_format:
        raise Fault(
            "invalid_value", "the input format does not change while audio waits in the buffer", "session.input_format"
        )
    return changed


def _changed(current: pb.Session, asked: pb.Session) -> pb.Session:
    session = pb.Session()
    session.CopyFrom(current)
    # Lists are replaced; the rest of a message keeps what is not named.
    for name in ("tools", "tool_choice", "documents", "transcription"):
        if asked.HasField(name):
            session.ClearField(name)
    rate_is_asked = asked.HasField("speaking") and asked.speaking.sample_rate_hz
    if asked.HasField("speaking") and asked.speaking.encoding and not rate_is_asked:
        session.speaking.sample_rate_hz = 0
    session.MergeFrom(asked)
    session.kind = session.kind or pb.Session.CONVERSATION
    session.model = session.model or current.model
    session.input_format.encoding = session.input_format.encoding or audio_pb2.PCM_S16LE
    session.input_format.channels = session.input_format.channels or 1
    session.speaking.sample_rate_hz = session.speaking.sample_rate_hz or SPOKEN_HZ.get(session.speaking.encoding, 0)
    session.tool_choice.mode = session.tool_choice.mode or pb.ToolChoice.AUTO
    _check(session)
    return session


def _check(session: pb.Session) -> None:
    detection, speaking = session.turn_detection, session.speaking
    _check_enum("kind", session.kind, pb.Session.Kind)
    _check_enum("turn_detection.kind", detection.kind, pb.TurnDetection.Kind)
    _check_enum("turn_detection.eagerness", detection.eagerness, pb.TurnDetection.Eagerness)
    _check_enum("documents.effort", session.documents.effort, rag_pb2.Effort)
    if session.input_format.encoding not in SPOKEN_HZ:
        raise Fault("invalid_value", "audio comes as PCM_S16LE, MULAW or ALAW", "session.input_format.encoding")
    _check_range("input_format.sample_rate_hz", session.input_format.sample_rate_hz, 8_000, 48_000)
    _check_range("input_format.channels", session.input_format.channels, 1, 2)
    if speaking.encoding not in SPOKEN_HZ:
        raise Fault("invalid_value", "answers are spoken as PCM_S16LE, MULAW or ALAW", "session.speaking.encoding")
    _check_range("speaking.sample_rate_hz", speaking.sample_rate_hz, 8_000, 48_000)
    _check_range("speaking.rate", speaking.rate, 0.25, 4)
    if not 0 < detection.threshold < 1:
        raise Fault("invalid_value", "the threshold is above 0 and below 1", "session.turn_detection.threshold")
    _check_range("turn_detection.prefix_padding_ms", detection.prefix_padding_ms, 0, 1000)
    _check_range("turn_detection.silence_ms", detection.silence_ms, 100, 5000)
    if detection.HasField("idle_timeout_ms"):
        _check_range("turn_detection.idle_timeout_ms", detection.idle_timeout_ms, 5000, 30_000)
    _check_length("instructions", session.instructions, MAX_INSTRUCTIONS_CHARACTERS)
    for name, text in (
        ("model", session.model),
        ("speaking.voice", speaking.voice),
        ("transcription.model", session.transcription.model),
    ):
        _check_length(name, text, MAX_NAME_CHARACTERS)
    if not _LANGUAGE.fullmatch(session.language):
        raise Fault("invalid_value", "the language is no BCP-47 tag", "session.language")
    if len(session.documents.collections) > MAX_COLLECTIONS:
        raise Fault("invalid_value", f"at most {MAX_COLLECTIONS} collections", "session.documents.collections")
    check_tools(session.tools, session.tool_choice, "session.")


def check_tools(tools: pb.ToolList, choice: pb.ToolChoice, where: str) -> None:
    """Raises Fault."""
    if len(tools.tools) > MAX_TOOLS:
        raise Fault("invalid_value", f"at most {MAX_TOOLS} tools", f"{where}tools")
    names = [tool.name for tool in tools.tools]
    for name in names:
        if not _TOOL_NAME.fullmatch(name):
            raise Fault("invalid_value", "a tool's name has 1 to 64 letters, digits, '_' and '-'", f"{where}tools.name")
    if len(set(names)) < len(names):
        raise Fault("invalid_value", "two tools have the same name", f"{where}tools")
    if sum(len(tool.parameters_json_schema) + len(tool.description) for tool in tools.tools) > MAX_SCHEMA_BYTES:
        raise Fault("invalid_value", "the tools are too large together", f"{where}tools")
    _check_enum("tool_choice.mode", choice.mode, pb.ToolChoice.Mode, where)
    if choice.name and choice.name not in names:
        raise Fault("invalid_value", "tool_choice names no tool of the session", f"{where}tool_choice.name")


def rules_of(session: pb.Session, config: VoiceConfig) -> Rules:
    """How its turns are taken."""
    detection = session.turn_detection
    silence_ms = detection.silence_ms
    longest_ms = silence_ms
    if detection.kind == pb.TurnDetection.SEMANTIC:
        longest_ms = LONGEST_SILENCE_MS.get(detection.eagerness, LONGEST_SILENCE_MS[pb.TurnDetection.MEDIUM])
    converses = session.kind == pb.Session.CONVERSATION
    return Rules(
        silence_ms=silence_ms,
        longest_silence_ms=longest_ms,
        ends_turns=detection.kind != pb.TurnDetection.MANUAL,
        answers=converses and detection.create_response,
        interrupts=detection.interrupt_response,
        answers_silence=converses and session.model != config.rag_model,
        idle_timeout_ms=detection.idle_timeout_ms if detection.HasField("idle_timeout_ms") else None,
        speculates=config.speculation,
        stable_ms=config.stable_partial_ms or None,
        interrupt_ms=config.interrupt_ms,
        one_word_interrupts=config.one_word_interrupts,
    )


def _check_enum(name: str, value: int, kind: object, where: str = "session.") -> None:
    if value not in kind.values():  # type: ignore[attr-defined]
        raise Fault("invalid_value", f"{name} has no value {value}", where + name)


def _check_range(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise Fault("invalid_value", f"{name} is {value:g}; it may be {low:g} to {high:g}", f"session.{name}")


def _check_length(name: str, text: str, most: int) -> None:
    if len(text) > most:
        raise Fault("invalid_value", f"{name} has {len(text)} characters; it may have {most}", f"session.{name}")
