"""Settings of the translation service."""

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from services.kit.config import CommaList, ServiceConfig, split_commas


class TranslationConfig(ServiceConfig):
    """Settings of the translation service."""

    engine: str = "apertium"
    """`apertium` (rules, from Debian's packages; English and Spanish by default), `ctranslate2` (OPUS-MT, M2M-100 and
    MADLAD-400), or `scripted` (ten words; for tests)."""
    model: CommaList = ()
    """Ids of models in the catalogue, comma-separated, for `ctranslate2`: OPUS-MT has one for each pair of languages.
    apertium's come with their packages."""
    languages: CommaList = (
        "ar",
        "de",
        "en",
        "es",
        "fr",
        "hi",
        "it",
        "ja",
        "ko",
        "nl",
        "pl",
        "pt",
        "ru",
        "tr",
        "uk",
        "zh",
    )
    """Languages to serve of a model that has many (M2M-100, MADLAD-400), comma-separated."""
    modes_dir: Path = Path("/usr/share/apertium/modes")
    """Where apertium's pairs of languages are described."""
    workers: int = Field(1, ge=1, le=64)
    """Batches that `ctranslate2` translates side by side."""
    threads: int = Field(2, ge=1, le=256)
    """Threads of each batch, in `ctranslate2`."""
    device: Literal["cpu", "cuda"] = "cpu"
    """Where `ctranslate2` computes."""
    compute_type: str = Field("", max_length=32)
    """What `ctranslate2` computes in: a type of CTranslate2; empty: int8 on a CPU, float16 on a GPU."""
    beam_size: int = Field(1, ge=1, le=16)
    """Translations that `ctranslate2` follows at a time; 1 is fastest, more are a little better."""
    max_batch_tokens: int = Field(2048, ge=1, le=1_000_000)
    """Most tokens of a batch of `ctranslate2`, padding included. A longer sentence runs alone."""
    max_batch_characters: int = Field(8192, ge=1, le=1_000_000)
    """Most characters of a batch of `apertium`, counted as sentences × the longest."""
    max_queue_characters: int = Field(2_000_000, ge=1, le=100_000_000)
    """Most characters that wait for `apertium`; past it RESOURCE_EXHAUSTED at once. A request that finds no queue is
    always taken."""
    max_queue_tokens: int = Field(131_072, ge=1, le=100_000_000)
    """The same for `ctranslate2`, in tokens."""
    batch_timeout_s: float = Field(20.0, gt=0, le=600)
    """The longest that a batch of `apertium` may take, in seconds, before its processes are replaced."""

    @field_validator("model", "languages", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return split_commas(value)
