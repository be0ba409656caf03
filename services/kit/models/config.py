"""What the model store reads from the environment."""

import os
from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.kit.config import env


def _default_directory() -> Path:
    cache = os.environ.get("XDG_CACHE_HOME", "")
    # The XDG specification says to ignore a relative path.
    return (Path(cache) if cache.startswith("/") else Path("~/.cache")) / "ledge" / "models"


class ModelStoreConfig(BaseSettings):
    """Settings of the model store, the same for every service and for `ledge models`."""

    model_config = SettingsConfigDict(
        env_prefix="LEDGE_",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        populate_by_name=True,
        use_attribute_docstrings=True,
    )

    models_dir: Path = Field(default_factory=_default_directory, validation_alias=env("MODELS_DIR", "NIM_CACHE_PATH"))
    """The store's directory. Default: `ledge/models` under `$XDG_CACHE_HOME` or `~/.cache`."""
    models_catalog: Path | None = None
    """A catalogue of your own (same form as `deploy/models.yaml`); its entries come on top of the shipped ones."""
    offline: bool = Field(False, validation_alias=env("OFFLINE", "NIM_DISABLE_MODEL_DOWNLOAD"))
    """Fetch nothing over the network: a missing model is an error that names the command which fetches it."""
    hub_endpoint: str = Field(
        "https://huggingface.co", validation_alias=env("HUB_ENDPOINT", "HF_ENDPOINT"), pattern="^https?://"
    )
    """Where `hf://` sources are; a mirror works."""
    hub_token: SecretStr | None = Field(None, validation_alias=env("HUB_TOKEN", "HF_TOKEN"))
    """Token for gated models; sent to the endpoint alone, never logged."""
