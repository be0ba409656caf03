"""When each word was said: Whisper's attention to the sound, aligned with what it wrote."""

from collections.abc import Sequence
from typing import Any

from ctranslate2 import StorageView
from faster_whisper import WhisperModel
from faster_whisper.tokenizer import Tokenizer
from faster_whisper.transcribe import merge_punctuations

from services.asr.engine import Word
from services.asr.whisper.window import Window

BEFORE_WORDS = "\"'“¿([{-"
BEHIND_WORDS = "\"'.。,，!！?？:：”)]}、"
"""Marks that belong to their neighbour, as faster-whisper has them."""


def word_times(
    model: WhisperModel, tokenizer: Tokenizer, encoded: StorageView, tokens: Sequence[int], window: Window
) -> list[Word]:
    """The words of the text in order, with times from the start of the window. Blocks for one step of the decoder."""
    spoken = [token for token in tokens if token < tokenizer.eot]
    if not spoken:
        return []
    (found,) = model.find_alignment(tokenizer, [spoken], encoded, window.spoken_frames)
    alignment: list[dict[str, Any]] = [word for word in found if word["tokens"][0] < tokenizer.eot]
    merge_punctuations(alignment, BEFORE_WORDS, BEHIND_WORDS)
    return [
        Word(
            word["word"].strip(),
            float(word["start"]),
            float(max(word["start"], word["end"])),
            min(1.0, max(0.0, float(word["probability"]))),
        )
        for word in alignment
        if word["word"].strip()
    ]
