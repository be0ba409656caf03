"""One Whisper model of CTranslate2: takes a batch of windows, gives what was said in each.

    audio ─► features ─► encode ─┐  one by one on a CPU, where an encoder gets slower by batching
    audio ─► features ─► encode ─┤
                                 ├─► detect languages ─► generate, together ─► judge ─► word times, one by one

Everything is the same for a window in a batch as for the same window alone.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from ctranslate2 import StorageView
from faster_whisper import WhisperModel
from faster_whisper.tokenizer import Tokenizer
from faster_whisper.transcribe import get_suppressed_tokens
from numpy.typing import NDArray

from services.asr.engine import Hypothesis, Task
from services.asr.whisper.guard import UNREPEATED_TOKENS, Written, is_silence, log_probability, repeats_itself
from services.asr.whisper.window import Kind, Window
from services.asr.whisper.word_times import word_times

BCP47 = {"jw": "jv"}
"""Where Whisper's code is another than today's."""

MOST_HOTWORD_TOKENS = 223
"""As many as Whisper was taught to see of the text before."""

Encoded = NDArray[np.generic]
"""(1, steps, width), in the type that the model computes in."""


class WhisperDecoder:
    """Thread-safe; as many threads may call at a time as the model has workers. Blocks."""

    def __init__(self, model: WhisperModel) -> None:
        self._model = model
        self._on_cpu = model.model.device == "cpu"
        self.multilingual = bool(model.model.is_multilingual)
        known = [
            code for code in model.supported_languages if model.hf_tokenizer.token_to_id(f"<|{code}|>") is not None
        ]
        codes = sorted(known, key=lambda code: code != "en") if self.multilingual else ["en"]
        self._codes = {BCP47.get(code, code): code for code in codes}
        self._tokenizer = lru_cache(maxsize=None)(self._made_tokenizer)
        self._suppressed = list(get_suppressed_tokens(self._tokenizer(codes[0], Task.TRANSCRIBE), [-1]))

    @property
    def languages(self) -> Sequence[str]:
        """BCP-47, English first."""
        return list(self._codes)

    def hotword_tokens(self, hotwords: Sequence[str]) -> list[int]:
        """As if they stood in the text before; what is too long for the model is cut."""
        if not hotwords:
            return []
        tokenizer = self._tokenizer(next(iter(self._codes.values())), Task.TRANSCRIBE)
        tokens = tokenizer.encode(" " + ", ".join(hotword.strip() for hotword in hotwords))
        # Whisper's own marks stand behind the end of text; a hotword that is spelled like one steers nothing.
        return [token for token in tokens if token < tokenizer.eot][:MOST_HOTWORD_TOKENS]

    def decode(self, windows: Sequence[Window]) -> list[Hypothesis | None]:
        """One result a window, in order; None for what nobody waits for, and for a partial that repeats itself.

        The windows are of one bucket. Raises RuntimeError or ValueError where CTranslate2 fails.
        """
        encoded = self._encode(windows)
        places = [place for place in encoded if not windows[place].gone]
        results: list[Hypothesis | None] = [None] * len(windows)
        if not places:
            return results
        chosen = [windows[place] for place in places]
        together = np.concatenate([encoded[place] for place in places])
        languages = self._languages(chosen, together)
        tokenizers = [
            self._tokenizer(language, window.asked.task) for language, window in zip(languages, chosen, strict=True)
        ]
        written = self._generate(chosen, tokenizers, together)
        for place, tokenizer, found in zip(places, tokenizers, written, strict=True):
            results[place] = self._hypothesis(windows[place], tokenizer, encoded[place], found)
        return results

    def _encode(self, windows: Sequence[Window]) -> dict[int, Encoded]:
        """By place among the windows; those that nobody waits for are left out."""
        encoded: dict[int, Encoded] = {}
        if self._on_cpu:
            for place, window in enumerate(windows):
                # Looked at before each: an encoding takes as long as a batch of texts.
                if not window.gone:
                    encoded[place] = self._encoded(self._features(window)[None])
            return encoded
        features = np.stack([self._features(window) for window in windows])
        for place, one in enumerate(self._encoded(features)):
            encoded[place] = one[None]
        return encoded

    def _encoded(self, features: NDArray[np.float32]) -> Encoded:
        view = self._model.model.encode(StorageView.from_array(np.ascontiguousarray(features)), to_cpu=True)
        return np.array(view)

    def _features(self, window: Window) -> NDArray[np.float32]:
        features: NDArray[np.float32] = self._model.feature_extractor(window.padded(), padding=0)
        return features

    def _languages(self, windows: Sequence[Window], encoded: Encoded) -> list[str]:
        """Whisper's codes: those asked for, the others detected."""
        if not self.multilingual:
            return ["en"] * len(windows)
        if all(window.asked.language for window in windows):
            return [self._codes[window.asked.language] for window in windows]
        detected = self._model.model.detect_language(StorageView.from_array(encoded))
        return [
            self._codes[window.asked.language] if window.asked.language else likely[0][0][2:-2]
            for window, likely in zip(windows, detected, strict=True)
        ]

    def _generate(
        self, windows: Sequence[Window], tokenizers: Sequence[Tokenizer], encoded: Encoded, unrepeated_tokens: int = 0
    ) -> list[Written]:
        prompts = [
            [
                *((tokenizer.sot_prev, *window.asked.hotword_tokens) if window.asked.hotword_tokens else ()),
                *tokenizer.sot_sequence,
                tokenizer.no_timestamps,
            ]
            for window, tokenizer in zip(windows, tokenizers, strict=True)
        ]
        # CTranslate2 makes at most half of `max_length` new tokens, and counts the prompt within the other half.
        max_length = min(self._model.max_length, 2 * max(windows[0].max_new_tokens, len(prompts[0])))
        generated = self._model.model.generate(
            StorageView.from_array(encoded),
            prompts,
            beam_size=windows[0].beam_size,
            max_length=max_length,
            no_repeat_ngram_size=unrepeated_tokens,
            return_scores=True,
            return_no_speech_prob=True,
            suppress_blank=True,
            suppress_tokens=self._suppressed,
        )
        return [_written(one, tokenizer) for one, tokenizer in zip(generated, tokenizers, strict=True)]

    def _hypothesis(
        self, window: Window, tokenizer: Tokenizer, encoded: Encoded, written: Written
    ) -> Hypothesis | None:
        if repeats_itself(written):
            if window.kind is Kind.PARTIAL:
                return None
            (written,) = self._generate([window], [tokenizer], encoded, UNREPEATED_TOKENS)
        language = BCP47.get(tokenizer.language_code, tokenizer.language_code)
        if is_silence(written):
            return Hypothesis("", language, confidence=written.confidence)
        if not window.asked.word_times or window.kind is Kind.PARTIAL:
            return Hypothesis(written.text, language, confidence=written.confidence)
        words = word_times(self._model, tokenizer, StorageView.from_array(encoded), written.tokens, window)
        return Hypothesis(written.text, language, words, written.confidence)

    def _made_tokenizer(self, language: str, task: Task) -> Tokenizer:
        return Tokenizer(self._model.hf_tokenizer, self.multilingual, task=task.value, language=language)


def _written(generated: Any, tokenizer: Tokenizer) -> Written:
    tokens = list(generated.sequences_ids[0])
    text = tokenizer.decode(tokens).strip()
    likely = log_probability(generated.scores[0], len(tokens))
    return Written(tokens, text, likely, generated.no_speech_prob)
