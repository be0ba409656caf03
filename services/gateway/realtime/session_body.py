"""A session as OpenAI's clients write it, read field by field into the contract's."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from ledge.audio.v1 import audio_pb2
from ledge.voice.v1 import voice_pb2 as pb
from pydantic import Field, model_validator

from services.gateway.audio_form import MAX_HOTWORDS, hotwords_of
from services.gateway.body import MAX_UINT32, Body
from services.gateway.rag_question import EFFORTS, Effort
from services.gateway.realtime.formats import Format
from services.gateway.realtime.names import Names
from services.gateway.realtime.tools import Tool, ToolChoice, choice_of, tools_of
from services.gateway.realtime.view import SessionView

MAX_INSTRUCTIONS_CHARACTERS = 32_768
BETA = "the beta's sessions are not spoken: "
Modalities = Annotated[list[Literal["text", "audio"]], Field(min_length=1, max_length=2)]
OutputTokens = Annotated[int, Field(ge=1, le=MAX_UINT32)] | Literal["inf"]
EAGERNESS = {
    "low": pb.TurnDetection.LOW,
    "medium": pb.TurnDetection.MEDIUM,
    "high": pb.TurnDetection.HIGH,
    "auto": pb.TurnDetection.MEDIUM,
}
KINDS = {
    "server_vad": pb.TurnDetection.SERVER,
    "semantic_vad": pb.TurnDetection.SEMANTIC,
    "manual": pb.TurnDetection.MANUAL,
}
TYPES = {"realtime": pb.Session.CONVERSATION, "transcription": pb.Session.TRANSCRIPTION}


class VoiceReference(Body):
    id: str


Voice = str | VoiceReference


def voice_id(voice: Voice, names: Names) -> str:
    """The id of a voice that is named either way."""
    return names.voice(voice if isinstance(voice, str) else voice.id)


class TranscriptionBody(Body):
    """`delay` and `prompt` are guides, and change nothing."""

    model: str = ""
    language: str | None = None
    keywords: Annotated[list[str], Field(max_length=MAX_HOTWORDS)] = Field(default_factory=list)


class TurnDetectionBody(Body):
    type: Literal["server_vad", "semantic_vad", "manual"] = "server_vad"
    threshold: Annotated[float, Field(gt=0, lt=1)] | None = None
    prefix_padding_ms: Annotated[int, Field(ge=0, le=1000)] | None = None
    silence_duration_ms: Annotated[int, Field(ge=100, le=5000)] | None = None
    idle_timeout_ms: Annotated[int, Field(ge=5000, le=30_000)] | None = None
    create_response: bool | None = None
    interrupt_response: bool | None = None
    eagerness: Literal["low", "medium", "high", "auto"] | None = None

    def detection(self) -> pb.TurnDetection:
        detection = pb.TurnDetection(
            kind=KINDS[self.type],
            threshold=self.threshold,
            prefix_padding_ms=self.prefix_padding_ms,
            silence_ms=self.silence_duration_ms,
            idle_timeout_ms=self.idle_timeout_ms,
            eagerness=EAGERNESS[self.eagerness] if self.eagerness else None,
        )
        if self.create_response is not None:
            detection.create_response = self.create_response
        if self.interrupt_response is not None:
            detection.interrupt_response = self.interrupt_response
        return detection


class InputBody(Body):
    """`noise_reduction` changes nothing: there is none."""

    format: Format | None = None
    transcription: TranscriptionBody | None = None
    turn_detection: TurnDetectionBody | None = None

    @model_validator(mode="before")
    @classmethod
    def _no_turn_detection_is_push_to_talk(cls, body: Any) -> Any:
        # Runs before the parent's, for which null means absent.
        if isinstance(body, dict) and "turn_detection" in body and body["turn_detection"] is None:
            return {**body, "turn_detection": {"type": "manual"}}
        return body


class OutputBody(Body):
    format: Format | None = None
    voice: Voice | None = None
    speed: Annotated[float, Field(ge=0.25, le=4)] | None = None


class AudioBody(Body):
    input: InputBody = Field(default_factory=InputBody)
    output: OutputBody = Field(default_factory=OutputBody)


class LedgeBody(Body):
    """What is Ledge's own of a session; that it is there asks for Ledge's own events."""

    collections: Annotated[list[str], Field(max_length=16, fail_fast=True)] | None = None
    effort: Effort | None = None
    language: Annotated[str, Field(max_length=64)] | None = None
    partials: bool | None = None


class SessionBody(Body):
    """`tracing`, `reasoning` and `parallel_tool_calls` change nothing, and are let through."""

    REFUSED: ClassVar[Mapping[str, str]] = {
        "prompt": "there are no stored prompts, write `instructions`",
        "include": "no log probabilities are told",
        "modalities": f"{BETA}say `output_modalities`",
        "voice": f"{BETA}say `audio.output.voice`",
        "input_audio_format": f"{BETA}say `audio.input.format`",
        "output_audio_format": f"{BETA}say `audio.output.format`",
        "input_audio_transcription": f"{BETA}say `audio.input.transcription`",
        "turn_detection": f"{BETA}say `audio.input.turn_detection`",
    }
    type: Literal["realtime", "transcription"] | None = None
    model: str = ""
    instructions: Annotated[str, Field(max_length=MAX_INSTRUCTIONS_CHARACTERS)] | None = None
    output_modalities: Modalities | None = None
    audio: AudioBody = Field(default_factory=AudioBody)
    tools: Annotated[list[Tool], Field(max_length=128, fail_fast=True)] | None = None
    tool_choice: ToolChoice | None = None
    max_output_tokens: OutputTokens | None = None
    truncation: Any = None
    ledge: LedgeBody | None = None

    @model_validator(mode="after")
    def _what_is_old_is_left_out(self) -> "SessionBody":
        if self.truncation == "disabled":
            raise ValueError("truncation: a conversation that grows too long loses its beginning, and never fails")
        return self

    def change(self, view: SessionView, names: Names) -> pb.Session:
        """What this changes of a session, with the messages that hold it whole.

        Args:
            view: where the session stands; a new one where it is to begin.
        """
        session = pb.Session(instructions=self.instructions, max_output_tokens=output_tokens(self.max_output_tokens))
        if self.output_modalities is not None:
            session.speak = "audio" in self.output_modalities
        if self.type:
            session.kind = TYPES[self.type]
        if self.model:
            session.model = names.talker(self.model)
        if self.tools is not None:
            session.tools.CopyFrom(tools_of(self.tools))
        if self.tool_choice is not None:
            session.tool_choice.CopyFrom(choice_of(self.tool_choice))
        self._hear(session, view, names)
        self._speak(session, view, names)
        self._look_up(session, view)
        return session

    def _hear(self, session: pb.Session, view: SessionView, names: Names) -> None:
        heard = self.audio.input
        if heard.format is not None:
            session.input_format.CopyFrom(
                audio_pb2.RawFormat(
                    encoding=heard.format.encoding, sample_rate_hz=heard.format.sample_rate_hz, channels=1
                )
            )
        if heard.turn_detection is not None:
            session.turn_detection.CopyFrom(heard.turn_detection.detection())
        partials = self.ledge.partials if self.ledge is not None else None
        if heard.transcription is not None:
            session.transcription.CopyFrom(
                pb.Transcription(
                    model=names.transcriber(heard.transcription.model),
                    hotwords=hotwords_of(heard.transcription.keywords),
                    partials=view.pending.transcription.partials,
                )
            )
            if heard.transcription.language is not None:
                session.language = heard.transcription.language
        if partials is not None:
            if not session.HasField("transcription"):
                session.transcription.CopyFrom(view.pending.transcription)
            session.transcription.partials = partials

    def _speak(self, session: pb.Session, view: SessionView, names: Names) -> None:
        spoken = self.audio.output
        if spoken.format is None and spoken.voice is None and spoken.speed is None:
            return
        session.speaking.CopyFrom(view.pending.speaking)
        if spoken.format is not None:
            session.speaking.encoding = spoken.format.encoding
            session.speaking.sample_rate_hz = spoken.format.sample_rate_hz
        if spoken.voice is not None:
            session.speaking.voice = voice_id(spoken.voice, names)
        if spoken.speed is not None:
            session.speaking.rate = spoken.speed

    def _look_up(self, session: pb.Session, view: SessionView) -> None:
        own = self.ledge
        if own is None:
            return
        if own.language is not None:
            session.language = own.language
        if own.collections is not None or own.effort is not None:
            session.documents.CopyFrom(view.pending.documents)
            if own.collections is not None:
                session.documents.collections[:] = own.collections
            if own.effort is not None:
                session.documents.effort = EFFORTS[own.effort]


def output_tokens(told: int | str | None) -> int | None:
    """The contract's number: none of its own is 0, absent is absent."""
    return 0 if told == "inf" else told if isinstance(told, int) else None
