"""What a language model engine promises, in words of the domain."""

import enum
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable


@dataclass(frozen=True)
class Model:
    """The model an engine runs."""

    id: str
    engine: str
    max_context_tokens: int
    """Prompt and answer of one call together."""
    vocabulary_size: int
    """Token ids are below this."""
    aliases: tuple[str, ...] = ()
    adapters: tuple[str, ...] = ()
    """Names of adapters (LoRA) that a request may choose in place of the base model."""
    licence: str = ""
    """SPDX expression; empty without weights."""
    commercial_use: bool | None = None
    answer_policy: str = ""
    """`quote` or `compose`: how the model is trusted to answer from documents."""
    vocabulary_sha256: bytes = b""
    """Identifies the meaning of token ids (`estimates.language_models.vocabulary`); empty where it is not known."""
    end_token_ids: tuple[int, ...] = ()
    """Tokens that end an answer; empty where they are not known."""


class Role(enum.Enum):
    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"


@dataclass(frozen=True, slots=True)
class ToolCall:
    id: str
    name: str
    arguments_json: str


@dataclass(frozen=True, slots=True)
class Message:
    role: Role
    content: str
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class Tool:
    name: str
    description: str
    parameters: Mapping[str, Any]
    """JSON schema of the arguments, an object."""


@dataclass(frozen=True, slots=True)
class ChatPrompt:
    """Messages, rendered by the model's own chat template."""

    messages: Sequence[Message]
    tools: Sequence[Tool] = ()
    """What the model may call in this answer."""
    must_call: bool = False
    """The answer is a call of one of `tools`."""
    template_arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TextPrompt:
    """A text to continue, as characters or as token ids."""

    content: str | Sequence[int]


@dataclass(frozen=True, slots=True)
class Constraint:
    """The language of the answer; `text` is the schema, the GBNF grammar or the regular expression, empty for json."""

    kind: Literal["json", "json_schema", "grammar", "regex"]
    text: str = ""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How tokens are chosen; ranges are those of the contract."""

    temperature: float = 0.7
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    repetition_penalty: float = 1.0
    seed: int | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    top_logprobs: int | None = None
    """None: no log-probabilities; 0: those of the chosen tokens alone."""
    logit_bias: Mapping[int, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Job:
    """One answer to generate."""

    prompt: ChatPrompt | TextPrompt
    sampling: Sampling = field(default_factory=Sampling)
    constraint: Constraint | None = None
    adapter: str = ""
    """One of the model's adapters; empty: the base model."""
    priority: int = 0
    """Lower is computed earlier, where the engine has an order of its own."""
    predicted_tokens: float = 0.0
    """How long the answer is expected to become; 0: nobody has guessed. Never a limit."""


class Finish(enum.Enum):
    STOP = "stop"
    """The model ended its turn, or a stop string was met."""
    LENGTH = "length"
    """`max_tokens` or the end of the context was reached."""
    TOOL_CALLS = "tool_calls"


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    token_id: int
    token: str
    token_bytes: bytes
    logprob: float
    """Natural logarithm."""
    top: tuple["TokenLogprob", ...] = ()


@dataclass(frozen=True, slots=True)
class ToolCallPiece:
    """A piece of call number `index` of the answer; one with an id begins it."""

    index: int
    id: str = ""
    name: str = ""
    arguments_json: str = ""


@dataclass(frozen=True, slots=True)
class Usage:
    prompt_tokens: int
    completion_tokens: int
    cached_prompt_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Piece:
    """What became ready together. The last piece of an answer, and only it, has `finish` and `usage`."""

    text: str = ""
    tool_calls: tuple[ToolCallPiece, ...] = ()
    logprobs: tuple[TokenLogprob, ...] = ()
    finish: Finish | None = None
    usage: Usage | None = None


class Engine(Protocol):
    """One model, shared by all calls of one event loop, which it never blocks."""

    @property
    def model(self) -> Model:
        """What it runs."""

    @property
    def slots(self) -> int:
        """How many answers it generates side by side. The service asks for no more than these."""

    def generate(self, job: Job) -> AsyncGenerator[Piece, None]:
        """The answer as it is made. Closing the generator, or cancelling who awaits it, frees the slot at once.

        Raises:
            InvalidInput: the prompt does not fit the context (it says both lengths), or this engine cannot do it.
            EngineFailed: the model failed.
        """

    async def tokenize(self, text: str, *, add_special_tokens: bool) -> Sequence[int]:
        """The token ids of a text; what looks like a control token in it is plain text."""

    async def tokenize_chat(self, messages: Sequence[Message]) -> Sequence[int]:
        """The token ids of the prompt that these messages make."""

    async def detokenize(self, token_ids: Sequence[int]) -> str:
        """The text of token ids below the vocabulary's size; bytes that are no character become U+FFFD."""

    async def close(self) -> None:
        """Frees the model. No answer is being generated any more."""


@dataclass(frozen=True, slots=True)
class Scores:
    """What a model thinks of tokens that it did not choose."""

    negative_logprobs: tuple[float, ...]
    """−log p of each of them."""
    most_probable: tuple[int, ...]
    """The best token at the place of each, and after the last: one more."""


class Scoring(Protocol):
    """One session: a sequence that grows, and is cut back."""

    @property
    def length(self) -> int:
        """Tokens of the sequence."""

    async def score(self, position: int, token_ids: Sequence[int]) -> Scores:
        """Cuts the sequence to `position` tokens, at least one and at most its length; appends and scores these.

        Raises:
            InvalidInput: the context is full.
            EngineFailed: the model failed.
        """

    async def close(self) -> None:
        """Frees the context."""


@runtime_checkable
class Scorer(Protocol):
    """What an engine is too that exposes its model's probabilities."""

    def open_scoring(self, prompt: Sequence[int]) -> Scoring:
        """A session after this prompt, at least one token. Costs nothing before the first `score`."""
