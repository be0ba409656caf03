"""What the files of a CTranslate2 translation model tell: its family, its languages, and its way with tokens.

Three families are told apart by their files. OPUS-MT (Marian) has a SentencePiece model for each of its two languages;
M2M-100 has one, and names the target in the first token of the translation; MADLAD-400 (T5) names it in the first
token of the sentence.
"""

import json
import re
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Protocol

import sentencepiece

from services.kit.errors import EngineFailed

END = "</s>"
_OF_ONE_PAIR = re.compile(r"-([a-z]{2,3})-([a-z]{2,3})$")
_M2M = re.compile(r"__([a-z]{2,3})__")
_MADLAD = re.compile(r"<2([a-z]{2,3}(?:_[A-Z][a-z]{3})?)>")


class Family(Protocol):
    """How a model takes and gives tokens."""

    @property
    def pairs(self) -> Sequence[tuple[str, str]]:
        """Source and target in BCP-47."""

    def tokens(self, sentence: str, source: str, target: str) -> list[str]:
        """Of the sentence alone."""

    def framed(self, tokens: Sequence[str], source: str, target: str) -> list[str]:
        """With what the model wants around them."""

    def prefix(self, target: str) -> list[str]:
        """What the translation begins with."""

    def text(self, tokens: Sequence[str]) -> str:
        """What tokens of a translation say; its prefix is taken off already."""


class Marian:
    """OPUS-MT: one pair of languages."""

    def __init__(self, directory: Path, model_id: str, *, add_end: bool) -> None:
        self.pairs = [_pair_of(directory, model_id)]
        self._source = _pieces(directory / "source.spm")
        self._target = _pieces(directory / "target.spm")
        self._end = [END] if add_end else []

    def tokens(self, sentence: str, source: str, target: str) -> list[str]:
        return _tokens(self._source, sentence)

    def framed(self, tokens: Sequence[str], source: str, target: str) -> list[str]:
        return [*tokens, *self._end]

    def prefix(self, target: str) -> list[str]:
        return []

    def text(self, tokens: Sequence[str]) -> str:
        return _text(self._target, tokens)


class M2m:
    """M2M-100: from each of its languages to each other."""

    def __init__(self, spm: Path, vocabulary: Collection[str], wanted: Collection[str]) -> None:
        self._pieces = _pieces(spm)
        self.pairs = _every_pair({name: name for token in vocabulary for name in _M2M.findall(token)}, wanted)

    def tokens(self, sentence: str, source: str, target: str) -> list[str]:
        return _tokens(self._pieces, sentence)

    def framed(self, tokens: Sequence[str], source: str, target: str) -> list[str]:
        return [f"__{source}__", *tokens, END]

    def prefix(self, target: str) -> list[str]:
        return [f"__{target}__"]

    def text(self, tokens: Sequence[str]) -> str:
        return _text(self._pieces, tokens)


class Madlad:
    """MADLAD-400: to each of its languages, from whatever the sentence is in."""

    def __init__(self, spm: Path, vocabulary: Collection[str], wanted: Collection[str]) -> None:
        self._pieces = _pieces(spm)
        self._names = {name.replace("_", "-"): name for token in vocabulary for name in _MADLAD.findall(token)}
        self.pairs = _every_pair(self._names, wanted)

    def tokens(self, sentence: str, source: str, target: str) -> list[str]:
        return _tokens(self._pieces, sentence)

    def framed(self, tokens: Sequence[str], source: str, target: str) -> list[str]:
        return [f"<2{self._names[target]}>", *tokens, END]

    def prefix(self, target: str) -> list[str]:
        return []

    def text(self, tokens: Sequence[str]) -> str:
        return _text(self._pieces, tokens)


def read_family(directory: Path, model_id: str, wanted: Collection[str]) -> Family:
    """The family of the model in a directory, with those of its languages that are wanted.

    Raises:
        EngineFailed: it is none of the three, or lacks a file.
    """
    try:
        if (directory / "source.spm").exists():
            settings = json.loads((directory / "config.json").read_text())
            return Marian(directory, model_id, add_end=not settings.get("add_source_eos", False))
        vocabulary = _vocabulary(directory)
        for name in ("sentencepiece.bpe.model", "spiece.model", "sentencepiece.model", "spm.model"):
            if (directory / name).exists():
                family = Madlad if any(map(_MADLAD.fullmatch, vocabulary)) else M2m
                found = family(directory / name, vocabulary, wanted)
                if found.pairs:
                    return found
    except (OSError, ValueError, RuntimeError) as error:
        raise EngineFailed(f"the files of {model_id} cannot be read: {error!r}") from error
    raise EngineFailed(f"{model_id} is no OPUS-MT, M2M-100 or MADLAD-400 model for CTranslate2 with wanted languages")


def _pair_of(directory: Path, model_id: str) -> tuple[str, str]:
    """As the tokeniser's settings tell, else as the model's id ends."""
    settings = directory / "tokenizer_config.json"
    told = json.loads(settings.read_text()) if settings.exists() else {}
    if isinstance(told.get("source_lang"), str) and isinstance(told.get("target_lang"), str):
        return told["source_lang"], told["target_lang"]
    named = _OF_ONE_PAIR.search(model_id)
    if named is None:
        raise EngineFailed(f"nothing tells the languages of {model_id}: let its id end as in opus-mt-en-es")
    return named[1], named[2]


def _every_pair(names: Collection[str], wanted: Collection[str]) -> list[tuple[str, str]]:
    served = [name for name in sorted(names) if name in wanted]
    return [(source, target) for source in served for target in served if source != target]


def _vocabulary(directory: Path) -> list[str]:
    """The shared one; models of these families have no other."""
    if (directory / "shared_vocabulary.json").exists():
        tokens: list[str] = json.loads((directory / "shared_vocabulary.json").read_text())
        return tokens
    return (directory / "shared_vocabulary.txt").read_text().splitlines()


def _pieces(path: Path) -> sentencepiece.SentencePieceProcessor:
    return sentencepiece.SentencePieceProcessor(model_file=str(path))


def _tokens(pieces: sentencepiece.SentencePieceProcessor, sentence: str) -> list[str]:
    tokens: list[str] = pieces.encode(sentence, out_type=str)
    return tokens


def _text(pieces: sentencepiece.SentencePieceProcessor, tokens: Sequence[str]) -> str:
    text: str = pieces.decode([token for token in tokens if not _is_mark(token)])
    return text


def _is_mark(token: str) -> bool:
    return token in (END, "<s>", "<pad>", "<unk>") or bool(_M2M.fullmatch(token) or _MADLAD.fullmatch(token))
