"""A causal model of Hugging Face's transformers as a `LanguageModel`, on the CPU or a GPU."""

from collections.abc import Sequence
from typing import Any

import torch
from transformers import DynamicCache

from services.estimates.language_models.language_model import Logprobs


class HuggingFaceContext:
    """One sequence of a shared model, whose weights it leaves alone. Models with recurrent layers cannot roll back."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._cache = DynamicCache(config=model.config)
        self._length = 0

    @property
    def length(self) -> int:
        return self._length

    def eval(self, tokens: Sequence[int], want: int) -> Logprobs:
        with torch.inference_mode():
            told = self._model(
                input_ids=torch.tensor([list(tokens)], device=self._model.device),
                past_key_values=self._cache,
                use_cache=True,
                logits_to_keep=want,
            )
            rows: Logprobs = torch.log_softmax(told.logits[0, -want:].float(), dim=-1).cpu().numpy()
        self._length += len(tokens)
        return rows

    def rollback(self, length: int) -> None:
        if length < self._length:
            self._cache.crop(length)
            self._length = length
