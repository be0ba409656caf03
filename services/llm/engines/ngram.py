"""A small exact language model out of a text file: counts of words, no weights. Its probabilities can be read.

Made for tests, demonstrations and proofs of what reads probabilities (VerifierService, Big Little decoding); its
answers are what such a model can say, and no more. Each line of the file is a sequence of its own. Tokens are the
file's words, each with the space before it, and the 256 bytes, of which everything else is made.
"""

import asyncio
import math
import re
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path

import numpy as np

from services.estimates.language_models.ngram import NgramContext, NgramModel
from services.estimates.language_models.vocabulary import vocabulary_sha256
from services.kit.errors import InvalidInput, NotFound
from services.kit.stop_strings import StopStrings
from services.llm.config import LlmConfig
from services.llm.engine import (
    ChatPrompt,
    Finish,
    Job,
    Message,
    Model,
    Piece,
    Sampling,
    Scores,
    TextPrompt,
    TokenLogprob,
    Usage,
)

MODEL = "ngram"
MAX_FILE_BYTES = 4 * 2**20
END_TEXT = "<end>"
FIRST_WORD = 257
END = 256
TURN = "\n"
"""What ends each message of a rendered prompt, and begins the answer."""


async def load_ngram(config: LlmConfig) -> "NgramEngine":
    """Raises NotFound or InvalidInput for a text that is not there, empty, or too large; `config.model` is ignored."""
    if config.ngram_file is None:
        raise InvalidInput("LEDGE_NGRAM_FILE must name the text that the engine ngram is made of")
    text = await asyncio.to_thread(_read, config.ngram_file)
    return await asyncio.to_thread(NgramEngine, text, config)


def _read(path: Path) -> str:
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise InvalidInput(f"LEDGE_NGRAM_FILE: {path} is larger than {MAX_FILE_BYTES} bytes")
        text = path.read_text()
    except FileNotFoundError as error:
        raise NotFound(f"LEDGE_NGRAM_FILE: there is no {path}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"LEDGE_NGRAM_FILE: {path} cannot be read as text") from error
    if not text.strip():
        raise InvalidInput(f"LEDGE_NGRAM_FILE: {path} is empty")
    return text


class Words:
    """The vocabulary of a text, and how other texts are written in it."""

    def __init__(self, text: str) -> None:
        # A word that begins a line is wanted with a space before it too, and the other way round.
        words = {form for word in re.findall(r"\S+", text) for form in (word, f" {word}")}
        self.words = sorted(words)
        self._ids = {word: FIRST_WORD + place for place, word in enumerate(self.words)}
        self.size = FIRST_WORD + len(self.words)

    def ids(self, text: str) -> list[int]:
        found: list[int] = []
        for piece in re.findall(r" ?\S+|\s", text):
            known = self._ids.get(piece)
            found += [known] if known is not None else piece.encode("utf-8", "surrogatepass")
        return found

    def bytes_of(self, token_id: int) -> bytes:
        if token_id < END:
            return bytes([token_id])
        return b"" if token_id == END else self.words[token_id - FIRST_WORD].encode()

    def text(self, token_ids: Sequence[int]) -> str:
        return b"".join(self.bytes_of(token_id) for token_id in token_ids).decode(errors="replace")

    @property
    def sha256(self) -> bytes:
        return vocabulary_sha256([*(f"<0x{byte:02X}>" for byte in range(END)), END_TEXT, *self.words])


class NgramEngine:
    """Holds nothing between calls; safe to share."""

    def __init__(self, text: str, config: LlmConfig) -> None:
        self._words = Words(text)
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        # As an answer begins after the end of a turn, so does a line.
        begin = self._words.ids(TURN)
        sequences = [[*begin, *self._words.ids(line), END] for line in lines]
        self._counts = NgramModel(sequences, config.ngram_order, self._words.size)
        self.slots = config.slots
        self.model = Model(
            id=MODEL,
            engine="ngram",
            max_context_tokens=config.context_tokens,
            vocabulary_size=self._words.size,
            aliases=config.model_aliases,
            answer_policy="quote",
            vocabulary_sha256=self._words.sha256,
            end_token_ids=(END,),
        )

    async def generate(self, job: Job) -> AsyncGenerator[Piece, None]:
        _refuse(job)
        prompt = self._prompt(job.prompt)
        room = self.model.max_context_tokens - len(prompt)
        if room <= 0:
            raise InvalidInput(
                f"the prompt has {len(prompt)} tokens, the context holds {self.model.max_context_tokens}, "
                "answer included"
            )
        sampling = job.sampling
        chance = np.random.default_rng(None if sampling.seed is None else sampling.seed % 2**63)
        context = NgramContext(self._counts)
        stops = StopStrings(sampling.stop)
        text = _Text(self._words)
        pending, spent = prompt, 0
        finish = Finish.LENGTH
        for _ in range(min(room, sampling.max_tokens or room)):
            await asyncio.sleep(0)
            row = context.eval(pending, 1)[0]
            token = _chosen(row, sampling, chance)
            pending = [token]
            spent += 1
            if token == END:
                finish = Finish.STOP
                break
            out = stops.feed(text.feed(token))
            logprobs = () if sampling.top_logprobs is None else (self._told(token, row, sampling.top_logprobs),)
            if stops.met:
                if out:
                    yield Piece(out)
                finish = Finish.STOP
                break
            if out or logprobs:
                yield Piece(out, logprobs=logprobs)
        rest = "" if stops.met else stops.feed(text.finish()) + stops.finish()
        yield Piece(rest, finish=finish, usage=Usage(len(prompt), spent))

    async def tokenize(self, text: str, *, add_special_tokens: bool) -> Sequence[int]:
        return self._words.ids(text)

    async def tokenize_chat(self, messages: Sequence[Message]) -> Sequence[int]:
        return self._words.ids(_rendered(messages))

    async def detokenize(self, token_ids: Sequence[int]) -> str:
        return self._words.text(token_ids)

    def open_scoring(self, prompt: Sequence[int]) -> "NgramScoring":
        return NgramScoring(self._counts, prompt)

    async def close(self) -> None:
        """Has nothing to free."""

    def _prompt(self, prompt: ChatPrompt | TextPrompt) -> list[int]:
        if isinstance(prompt, ChatPrompt):
            return self._words.ids(_rendered(prompt.messages))
        content = prompt.content
        return self._words.ids(content) if isinstance(content, str) else list(content)

    def _told(self, token: int, row: np.ndarray, alternatives: int) -> TokenLogprob:
        best = np.argsort(-row, kind="stable")[:alternatives]
        top = tuple(self._one(int(other), float(row[other])) for other in best)
        told = self._one(token, float(row[token]))
        return TokenLogprob(told.token_id, told.token, told.token_bytes, told.logprob, top)

    def _one(self, token: int, logprob: float) -> TokenLogprob:
        token_bytes = self._words.bytes_of(token)
        return TokenLogprob(token, token_bytes.decode(errors="replace"), token_bytes, min(0.0, logprob))


class NgramScoring:
    """One session over the counts."""

    def __init__(self, counts: NgramModel, prompt: Sequence[int]) -> None:
        self._context = NgramContext(counts)
        self._sequence = list(prompt)

    @property
    def length(self) -> int:
        return len(self._sequence)

    async def score(self, position: int, token_ids: Sequence[int]) -> Scores:
        await asyncio.sleep(0)
        del self._sequence[position:]
        self._context.rollback(min(self._context.length, position - 1))
        pending = [*self._sequence[self._context.length :], *token_ids]
        rows = self._context.eval(pending, len(token_ids) + 1)
        best = tuple(int(token) for token in rows.argmax(axis=1))
        told = tuple(-float(rows[place][token]) for place, token in enumerate(token_ids))
        self._sequence += token_ids
        return Scores(told, best)

    async def close(self) -> None:
        """Has nothing to free."""


class _Text:
    """Makes characters of tokens, holding back bytes of one that is not whole yet."""

    def __init__(self, words: Words) -> None:
        self._words = words
        self._bytes = b""

    def feed(self, token: int) -> str:
        self._bytes += self._words.bytes_of(token)
        try:
            text = self._bytes.decode()
        except UnicodeDecodeError as error:
            if error.end == len(self._bytes) and len(self._bytes) - error.start < 4:
                return ""
            text = self._bytes.decode(errors="replace")
        self._bytes = b""
        return text

    def finish(self) -> str:
        return self._bytes.decode(errors="replace")


def _rendered(messages: Sequence[Message]) -> str:
    return "".join(f"{message.role.value}: {message.content}{TURN}" for message in messages)


def _refuse(job: Job) -> None:
    sampling = job.sampling
    unfollowed = (
        ("constraint", job.constraint is not None),
        ("tools", isinstance(job.prompt, ChatPrompt) and bool(job.prompt.tools)),
        ("presence_penalty", sampling.presence_penalty != 0),
        ("frequency_penalty", sampling.frequency_penalty != 0),
        ("repetition_penalty", sampling.repetition_penalty != 1),
        ("logit_bias", bool(sampling.logit_bias)),
    )
    if names := [name for name, given in unfollowed if given]:
        raise InvalidInput(f"the engine ngram follows no {', '.join(names)}")


def _chosen(row: np.ndarray, sampling: Sampling, chance: np.random.Generator) -> int:
    if sampling.temperature == 0:
        return int(row.argmax())
    order = np.argsort(-row, kind="stable")
    if sampling.top_k:
        order = order[: sampling.top_k]
    probabilities = np.exp(row[order] / sampling.temperature - row[order[0]] / sampling.temperature)
    probabilities /= probabilities.sum()
    within = int(np.searchsorted(np.cumsum(probabilities), sampling.top_p)) + 1
    likely = np.flatnonzero(probabilities >= sampling.min_p * probabilities[0])
    count = min(within, len(likely), len(order))
    kept = probabilities[:count] / probabilities[:count].sum()
    return int(chance.choice(order[:count], p=kept)) if math.isfinite(kept.sum()) else int(order[0])
