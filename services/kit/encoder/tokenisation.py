"""Text to token ids: what the model reads of a text, and where each token stands in it."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from tokenizers import Encoding, Tokenizer

from services.kit.encoder.text import TokenisedText, Truncation, input_name
from services.kit.errors import EngineFailed, InvalidInput

MAX_TEXT_CHARACTERS = 2_000_000
"""Longer texts are refused before they are read."""
COUNTED_CHARACTERS = 200_000
"""Up to here the error about a text that is too long names its exact length."""
# So many characters hold more tokens than the model reads, in all but odd texts.
FIRST_CUT_CHARACTERS_PER_TOKEN = 16


class Tokeniser:
    """The model's own tokeniser (`tokenizer.json`). Thread-safe; blocks, without the GIL, 0.5 s for a megabyte.

    Args:
        directory: holds `tokenizer.json`.
        max_tokens: the most tokens the model reads of one text, special tokens included.
    """

    def __init__(self, directory: Path, max_tokens: int) -> None:
        # Read by the library at every call. Its own threads gain nothing: encoding costs forty times as much.
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
        try:
            self._tokenizer = Tokenizer.from_file(str(directory / "tokenizer.json"))
        except Exception as error:  # the library raises nothing more special
            raise EngineFailed(f"the tokeniser in {directory} cannot be read: {error}") from None
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self.max_tokens = max_tokens
        frame = self._encoded("a", special=True)
        own = frame.special_tokens_mask.index(0)
        self._begin: list[int] = frame.ids[:own]
        self._end: list[int] = frame.ids[own + len(self._plain("a")) :]
        self._prefix_tokens: dict[str, int] = {"": 0}

    def tokenise(
        self,
        texts: Sequence[str],
        truncation: Truncation,
        *,
        prefix: str = "",
        offsets: bool = False,
        name: Callable[[int], str] = input_name,
    ) -> list[TokenisedText]:
        """As `TextTokeniser` promises."""
        longest = FIRST_CUT_CHARACTERS_PER_TOKEN * self.max_tokens
        if any(len(text) > longest for text in texts):
            return [self._of_any_length(text, truncation, prefix, offsets, name(i)) for i, text in enumerate(texts)]
        whole = self._tokenizer.encode_batch([prefix + text for text in texts] if prefix else texts)
        return [self._taken(encoding, truncation, prefix, offsets, name(i)) for i, encoding in enumerate(whole)]

    def _taken(
        self, encoding: Encoding, truncation: Truncation, prefix: str, offsets: bool, name: str
    ) -> TokenisedText:
        """What is read of a text that was tokenised from its first to its last character."""
        ids: list[int] = encoding.ids
        first = len(self._begin) + self._tokens_of(prefix)
        dropped = len(ids) - self.max_tokens
        if dropped <= 0:
            rows = slice(first, len(ids) - len(self._end))
            return TokenisedText(ids, rows, _shifted(encoding.offsets[rows], len(prefix)) if offsets else (), False)
        if truncation is Truncation.NONE:
            raise self._too_long(name, str(len(ids)))
        last = len(ids) - len(self._end)
        kept = slice(first, last - dropped) if truncation is Truncation.END else slice(first + dropped, last)
        return TokenisedText(
            ids[:first] + ids[kept] + self._end,
            slice(first, self.max_tokens - len(self._end)),
            _shifted(encoding.offsets[kept], len(prefix)) if offsets else (),
            True,
        )

    def _of_any_length(self, text: str, truncation: Truncation, prefix: str, offsets: bool, name: str) -> TokenisedText:
        """The same, without reading a megabyte to keep its first two hundred tokens."""
        if len(text) > MAX_TEXT_CHARACTERS:
            raise InvalidInput(f"{name} has {len(text)} characters, the most is {MAX_TEXT_CHARACTERS}")
        first = len(self._begin) + self._tokens_of(prefix)
        room = self.max_tokens - first - len(self._end)
        cut = COUNTED_CHARACTERS if truncation is Truncation.NONE else FIRST_CUT_CHARACTERS_PER_TOKEN * self.max_tokens
        while cut < len(text):
            piece = text[-cut:] if truncation is Truncation.START else text[:cut]
            encoding = self._encoded(piece, special=False)
            # The word at the cut may be half a word: it does not count.
            words = encoding.word_ids
            whole = [i for i, word in enumerate(words) if word != words[0 if truncation is Truncation.START else -1]]
            if len(whole) > room:
                if truncation is Truncation.NONE:
                    raise self._too_long(name, f"more than {first + len(whole) + len(self._end)}")
                kept = whole[-room:] if truncation is Truncation.START else whole[:room]
                at = len(text) - len(piece) if truncation is Truncation.START else 0
                return TokenisedText(
                    self._begin + self._plain(prefix) + [encoding.ids[i] for i in kept] + self._end,
                    slice(first, first + room),
                    _shifted([encoding.offsets[i] for i in kept], -at) if offsets else (),
                    True,
                )
            cut *= 4
        return self._taken(self._encoded(prefix + text, special=True), truncation, prefix, offsets, name)

    def _too_long(self, name: str, tokens: str) -> InvalidInput:
        return InvalidInput(f"{name} has {tokens} tokens, the model reads {self.max_tokens}: shorten or truncate it")

    def _plain(self, text: str) -> list[int]:
        ids: list[int] = self._encoded(text, special=False).ids
        return ids

    def _encoded(self, text: str, *, special: bool) -> Encoding:
        # The library's call for a single text would hold the GIL.
        return self._tokenizer.encode_batch([text], add_special_tokens=special)[0]

    def _tokens_of(self, prefix: str) -> int:
        if prefix not in self._prefix_tokens:
            self._prefix_tokens[prefix] = len(self._plain(prefix))
        return self._prefix_tokens[prefix]


def _shifted(offsets: Sequence[tuple[int, int]], by: int) -> Sequence[tuple[int, int]]:
    return [(max(0, start - by), end - by) for start, end in offsets] if by else offsets
