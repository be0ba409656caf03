"""`response.create` as OpenAI's clients write it."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from ledge.voice.v1 import voice_pb2 as pb
from pydantic import Discriminator, Field, Tag

from services.gateway.body import Body
from services.gateway.realtime.formats import Format
from services.gateway.realtime.items import ItemBody, ReferenceBody
from services.gateway.realtime.names import Names
from services.gateway.realtime.session_body import (
    MAX_INSTRUCTIONS_CHARACTERS,
    Modalities,
    OutputTokens,
    Voice,
    output_tokens,
    voice_id,
)
from services.gateway.realtime.tools import Tool, ToolChoice, choice_of, tools_of
from services.gateway.realtime.view import SessionView

MAX_INPUT_ITEMS = 256
WHOLE, REFERENCE = "a whole item", "a reference"
"""Names that no field can have, so that an error does not take them for one."""


def _kind_of_input(item: object) -> str:
    kind = item.get("type") if isinstance(item, dict) else None
    return REFERENCE if kind == "item_reference" else WHOLE


InputItem = Annotated[
    Annotated[ItemBody, Tag(WHOLE)] | Annotated[ReferenceBody, Tag(REFERENCE)], Discriminator(_kind_of_input)
]


class ResponseOutputBody(Body):
    format: Format | None = None
    voice: Voice | None = None


class ResponseAudioBody(Body):
    output: ResponseOutputBody = Field(default_factory=ResponseOutputBody)


class ResponseBody(Body):
    """`reasoning` and `parallel_tool_calls` change nothing, and are let through."""

    REFUSED: ClassVar[Mapping[str, str]] = {"prompt": "there are no stored prompts, write `instructions`"}
    instructions: Annotated[str, Field(max_length=MAX_INSTRUCTIONS_CHARACTERS)] | None = None
    output_modalities: Modalities | None = None
    audio: ResponseAudioBody = Field(default_factory=ResponseAudioBody)
    tools: Annotated[list[Tool], Field(max_length=128, fail_fast=True)] | None = None
    tool_choice: ToolChoice | None = None
    max_output_tokens: OutputTokens | None = None
    conversation: Literal["auto", "none"] = "auto"
    input: Annotated[list[InputItem], Field(max_length=MAX_INPUT_ITEMS, fail_fast=True)] | None = None
    metadata: Annotated[dict[str, Annotated[str, Field(max_length=512)]], Field(max_length=16)] = Field(
        default_factory=dict
    )

    def asked(self, view: SessionView, names: Names) -> pb.CreateResponse:
        """The contract's request.

        Raises:
            ValueError: it is to sound otherwise than the session.
        """
        self._sounds_like(view.pending.speaking)
        made = pb.CreateResponse(
            instructions=self.instructions,
            max_output_tokens=output_tokens(self.max_output_tokens),
            out_of_band=self.conversation == "none",
            input=[item.item() for item in self.input or ()],
            has_input=self.input is not None,
            metadata=self.metadata,
        )
        if self.output_modalities is not None:
            made.speak = "audio" in self.output_modalities
        if self.tools is not None:
            made.tools.CopyFrom(tools_of(self.tools))
        if self.tool_choice is not None:
            made.tool_choice.CopyFrom(choice_of(self.tool_choice))
        if self.audio.output.voice is not None:
            made.voice = voice_id(self.audio.output.voice, names)
        return made

    def _sounds_like(self, speaking: pb.Speaking) -> None:
        wanted = self.audio.output.format
        of_session = Format()
        if wanted is None:
            return
        encoding = speaking.encoding or of_session.encoding
        sample_rate_hz = speaking.sample_rate_hz or of_session.sample_rate_hz
        if (wanted.encoding, wanted.sample_rate_hz) != (encoding, sample_rate_hz):
            raise ValueError("a response has the session's audio format: change that")
