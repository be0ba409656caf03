"""The form with which OpenAI's clients send audio to be written down."""

import contextlib
import re
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal

from ledge.asr.v1 import asr_pb2 as pb
from ledge.asr.v1 import asr_pb2_grpc as rpc
from pydantic import Field, ValidationError, model_validator
from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request

from services.gateway.body import Body
from services.gateway.forms import check_origin, read_form
from services.kit.errors import InvalidInput, Overloaded

MAX_FIELDS = 256
MAX_FIELD_BYTES = 64 * 1024
MAX_HOTWORDS, MAX_HOTWORD_CHARACTERS = 100, 64
"""The contract's."""
SEVERAL = ("timestamp_granularities", "include", "keywords", "languages")
"""Fields that come once for each of their values, with or without brackets behind their name."""
_PIECES = re.compile(r"[^,;.!?\n]+")
# The names that OpenAI's clients send where nobody chose one.
OPENAI_MODELS = frozenset({
    "gpt-transcribe", "gpt-4o-transcribe", "gpt-4o-mini-transcribe", "gpt-4o-mini-transcribe-2025-12-15", "whisper-1",
})  # fmt: skip
FORM: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {"type": "string", "format": "binary"},
                        "model": {"type": "string"},
                        "language": {"type": "string"},
                        "prompt": {"type": "string"},
                        "response_format": {"enum": ["json", "text", "srt", "vtt", "verbose_json"]},
                        "temperature": {"type": "number"},
                        "timestamp_granularities[]": {"type": "array", "items": {"enum": ["word", "segment"]}},
                        "stream": {"type": "boolean"},
                    },
                }
            }
        },
    }
}
"""What FastAPI cannot tell by itself, since it would hold the file in memory first."""


class TranscriptionForm(Body):
    """All but the file. `temperature` and `chunking_strategy="auto"` change nothing: speech is found by a detector, and
    decoded as surely as the model can."""

    REFUSED: ClassVar[Mapping[str, str]] = {
        "include": "no log probabilities are told; verbose_json has avg_logprob",
        "known_speaker_names": "speakers are not told apart",
        "known_speaker_references": "speakers are not told apart",
    }
    model: str = ""
    language: str = ""
    prompt: Annotated[str, Field(max_length=10_000)] = ""
    keywords: Annotated[list[str], Field(max_length=MAX_HOTWORDS)] = Field(default_factory=list)
    languages: Annotated[list[str], Field(max_length=1)] = Field(default_factory=list)
    response_format: Literal["json", "text", "srt", "vtt", "verbose_json"] = "json"
    temperature: Annotated[float, Field(ge=0, le=1)] = 0.0
    timestamp_granularities: list[Literal["word", "segment"]] = Field(default_factory=list, max_length=2)
    stream: bool = False
    chunking_strategy: Literal["auto"] = "auto"

    @model_validator(mode="after")
    def _fields_go_together(self) -> "TranscriptionForm":
        if self.timestamp_granularities and self.response_format != "verbose_json":
            raise ValueError("timestamp_granularities goes with response_format verbose_json")
        if self.stream and self.response_format not in ("json", "text"):
            raise ValueError(f"a stream has response_format json, not {self.response_format}")
        return self

    @property
    def wants_words(self) -> bool:
        """Whether words need their times: subtitles are cut by them."""
        return self.response_format in ("srt", "vtt") or "word" in self.timestamp_granularities

    def hotwords(self) -> list[str]:
        """What is likely to be said, of the keywords and the prompt, as the contract takes it."""
        return hotwords_of([*self.keywords, *_PIECES.findall(self.prompt)])


def hotwords_of(pieces: Iterable[str]) -> list[str]:
    """Words and phrases as the contract takes them: short, no two the same, and not too many."""
    words = [short for piece in pieces for short in _short(piece)]
    return list(dict.fromkeys(words))[:MAX_HOTWORDS]


class AudioUploads:
    """Bounds how many audio files are held at a time; shared by all requests."""

    def __init__(self, max_at_once: int) -> None:
        self._max_at_once = max_at_once
        self._held = 0

    @contextlib.asynccontextmanager
    async def receive(self, request: Request) -> AsyncIterator[tuple[TranscriptionForm, bytes]]:
        """The form and its file, whose place is held until the block is left.

        Raises:
            Overloaded: there is none.
            InvalidInput: the form is wrong.
        """
        check_origin(request)
        if self._held >= self._max_at_once:
            raise Overloaded(f"the gateway already holds {self._held} audio files", retry_after_s=1)
        self._held += 1
        try:
            form = await read_form(request, max_files=1, max_fields=MAX_FIELDS, max_field_bytes=MAX_FIELD_BYTES)
            try:
                file = form.get("file")
                if not isinstance(file, UploadFile):
                    raise InvalidInput("file: send the audio as a file")
                received = _read(form), await file.read()
            finally:
                await form.close()
            yield received
        finally:
            self._held -= 1


def _read(form: FormData) -> TranscriptionForm:
    fields: dict[str, Any] = {}
    for key, value in form.multi_items():
        name = key.removesuffix("[]")
        if not isinstance(value, str):
            continue
        if name in SEVERAL:
            fields.setdefault(name, []).append(value)
        elif value:
            fields[name] = value
    try:
        return TranscriptionForm.model_validate(fields)
    except ValidationError as error:
        fault = error.errors()[0]
        place = ".".join(map(str, fault["loc"]))
        told = fault["msg"].removeprefix("Value error, ")
        raise InvalidInput(f"{place}: {told}" if place else told) from error


def _short(piece: str) -> Iterator[str]:
    """A phrase in pieces of the contract's length, cut between words."""
    words: list[str] = []
    for word in piece.split():
        if words and len(" ".join([*words, word])) > MAX_HOTWORD_CHARACTERS:
            yield " ".join(words)
            words = []
        words.append(word[:MAX_HOTWORD_CHARACTERS])
    if words:
        yield " ".join(words)


async def recognition_of(
    form: TranscriptionForm, model: str, asr: "rpc.AsrServiceAsyncStub", *, translate: bool
) -> pb.Recognition:
    """What to listen for.

    A prompt is a guide: a model that takes no hotwords does without it. Keywords are asked for, so it must take them.
    """
    recognition = pb.Recognition(
        model=model,
        language=form.language or "".join(form.languages),
        task=pb.Recognition.TRANSLATE if translate else pb.Recognition.TRANSCRIBE,
        word_times=form.wants_words,
    )
    if hotwords := form.hotwords():
        models = (await asr.ListModels(pb.ListModelsRequest())).models
        if form.keywords or any(one.hotwords for one in models if model in ("", one.info.id)):
            recognition.hotwords.extend(hotwords)
    return recognition
