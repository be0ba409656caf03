"""What clients may ask, checked: the data of each event that the door understands."""

from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from wyoming.event import Event

from services.kit.errors import InvalidInput

Name = Annotated[str, Field(max_length=256)]


class Data(BaseModel):
    """Fields that are not known are let through unread: the protocol grows."""

    model_config = ConfigDict(strict=True, frozen=True)


class Ping(Data):
    text: str | None = None


class Transcribe(Data):
    name: Name | None = None
    language: Name | None = None
    transcript_names: tuple[str, ...] | None = Field(None, strict=False)
    transcript_terms: tuple[str, ...] | None = Field(None, strict=False)

    def hints(self) -> list[str]:
        """Words that are likely, those first that matter more."""
        return [*(self.transcript_names or ()), *(self.transcript_terms or ())]


class AudioFormat(Data):
    rate: int = Field(ge=1, le=1_000_000)
    width: int = Field(ge=1, le=8)
    channels: int = Field(ge=1, le=64)


class Voice(Data):
    name: Name | None = None
    language: Name | None = None


class SynthesizeStart(Data):
    voice: Voice | None = None
    text_format: Name | None = None


class SynthesizeChunk(Data):
    text: str


class Synthesize(SynthesizeStart):
    text: str


class Transcript(Data):
    text: str
    language: Name | None = None
    context: dict[str, Any] | None = None


Kind = TypeVar("Kind", bound=Data)


def data_of(event: Event, kind: type[Kind]) -> Kind:
    """The event's data as `kind`.

    Raises:
        InvalidInput: the data is not what the protocol says; names the field, and never quotes it.
    """
    try:
        return kind.model_validate(event.data)
    except ValidationError as error:
        fault = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(str(part) for part in fault["loc"])
        raise InvalidInput(f"{event.type}: {place}: {fault['msg']}") from error
