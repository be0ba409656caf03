"""A hub model's tokeniser and chat template: what is a control token is decided here, never by a message's text."""

import json
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer
from transformers import AutoTokenizer

from services.estimates.language_models.vocabulary import vocabulary_sha256
from services.kit.errors import EngineFailed, InvalidInput
from services.llm.engine import Message
from services.llm.engines import openai_wire

COUNTED_AT_ONCE_CHARACTERS = 32 * 1024
MAX_TOLD_CHARACTERS = 400


def _byte_alphabet() -> dict[str, int]:
    """GPT-2's printable stand-ins for bytes (openai/gpt-2, encoder.py), in which byte-level vocabularies are."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + index): byte for index, byte in enumerate(others)}


ALPHABET = _byte_alphabet()


class HubTokeniser:
    """Reads `tokenizer.json` and the chat template of a folder. Thread-safe; blocks.

    Args:
        context_tokens: texts that are far longer are refused before they are read whole.
        template: a Jinja template in place of the model's own.
    """

    def __init__(self, directory: Path, context_tokens: int, template: Path | None = None) -> None:
        try:
            self._control = Tokenizer.from_file(str(directory / "tokenizer.json"))
            self._plain = Tokenizer.from_file(str(directory / "tokenizer.json"))
            self._renderer = AutoTokenizer.from_pretrained(directory, local_files_only=True)
        except Exception as error:  # neither library raises anything more special
            raise EngineFailed(f"the tokeniser in {directory} cannot be read: {error}") from error
        for tokenizer in (self._control, self._plain):
            tokenizer.no_truncation()
            tokenizer.no_padding()
        self._plain.encode_special_tokens = True
        self._directory = directory
        self._context_tokens = context_tokens
        try:
            self._template = None if template is None else template.read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidInput(f"LEDGE_CHAT_TEMPLATE_FILE: {template} cannot be read as text") from error
        added = sorted((token.content for token in self._control.get_added_tokens_decoder().values()), key=len)
        texts = [re.escape(text) for text in reversed(added) if len(text) > 1]
        self._control_text = re.compile("|".join(texts) or r"(?!)")
        self._added = {number: token.content for number, token in self._control.get_added_tokens_decoder().items()}
        self._byte_level = self._control.token_to_id("Ġ") is not None
        self.bytes_of = lru_cache(maxsize=65_536)(self._bytes_of)

    @property
    def vocabulary_sha256(self) -> bytes:
        """Identifies the meaning of its token ids."""
        known = self._control.get_vocab(with_added_tokens=True)
        texts = [""] * (max(known.values()) + 1)
        for text, number in known.items():
            texts[number] = text
        return vocabulary_sha256(texts)

    @property
    def end_token_ids(self) -> tuple[int, ...]:
        """What the folder says ends an answer."""
        try:
            told = json.loads((self._directory / "generation_config.json").read_text()).get("eos_token_id")
        except (OSError, ValueError, AttributeError):
            told = None
        told = self._renderer.eos_token_id if told is None else told
        return tuple(told) if isinstance(told, list) else () if told is None else (int(told),)

    def plain(self, text: str, *, add_special_tokens: bool) -> Sequence[int]:
        """The ids of a text in which nothing is a control token."""
        return _ids(self._plain, text, add_special_tokens)

    def prompt(self, text: str) -> Sequence[int]:
        """The ids of a prompt to continue, in which the texts of control tokens are control tokens."""
        self._refuse_far_too_long(text)
        return _ids(self._control, text, add_special_tokens=True)

    def chat(self, messages: Sequence[Message], template_arguments: Mapping[str, Any]) -> Sequence[int]:
        """The ids of the prompt that messages make. Raises InvalidInput where the template refuses them."""
        self._refuse_far_too_long("".join(message.content for message in messages))
        try:
            rendered = self._renderer.apply_chat_template(
                [openai_wire.message(one, self._defused) for one in messages],
                chat_template=self._template,
                tokenize=False,
                add_generation_prompt=True,
                **{name: value for name, value in template_arguments.items() if name.isidentifier()},
            )
        except Exception as error:  # templates raise what they like
            told = str(error)[:MAX_TOLD_CHARACTERS]
            raise InvalidInput(f"the model's chat template refuses these messages: {told}") from error
        return _ids(self._control, rendered, add_special_tokens=False)

    def text(self, token_ids: Sequence[int]) -> str:
        """Their text; bytes that are no character become U+FFFD."""
        return str(self._control.decode(list(token_ids), skip_special_tokens=False))

    def _bytes_of(self, token_id: int) -> bytes:
        if token_id in self._added:
            return self._added[token_id].encode()
        token = self._control.id_to_token(token_id)
        if token is None:
            return b""
        if self._byte_level and all(character in ALPHABET for character in token):
            return bytes(ALPHABET[character] for character in token)
        if match := re.fullmatch(r"<0x([0-9A-F]{2})>", token):
            return bytes([int(match[1], 16)])
        return str(token).replace("▁", " ").encode()

    def _defused(self, text: str) -> str:
        """The text with an invisible space in whatever would be read as a control token."""
        return self._control_text.sub(lambda match: f"{match[0][0]}\u200b{match[0][1:]}", text)

    def _refuse_far_too_long(self, text: str) -> None:
        """Tokenising cannot be stopped: megabytes would keep a thread for seconds."""
        tokens = 0
        for start in range(0, len(text), COUNTED_AT_ONCE_CHARACTERS):
            if start == 0 and len(text) <= 4 * COUNTED_AT_ONCE_CHARACTERS:
                return
            tokens += len(_ids(self._plain, text[start : start + COUNTED_AT_ONCE_CHARACTERS], False))
            # A word that a cut divides may count for a few tokens more.
            if tokens > 1.1 * self._context_tokens + 100:
                raise InvalidInput(
                    f"the prompt has over {self._context_tokens} tokens, {tokens} in its first part alone, the context "
                    f"holds {self._context_tokens}, answer included"
                )


def _ids(tokenizer: Tokenizer, text: str, add_special_tokens: bool) -> Sequence[int]:
    # The library's call for a single text would hold the GIL.
    ids: list[int] = tokenizer.encode_batch([text], add_special_tokens=add_special_tokens)[0].ids
    return ids
