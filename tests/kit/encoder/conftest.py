"""The default model, loaded once for all tests of the encoder."""

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("ctranslate2")

from services.kit.encoder.sentence import SentenceEncoder
from services.kit.models import ModelStore


@pytest.fixture(scope="session", autouse=True)
def _one_blas_thread() -> Iterator[None]:
    """The reference's many small products would spend their time waiting for a second thread."""
    threadpoolctl = pytest.importorskip("threadpoolctl")
    with threadpoolctl.threadpool_limits(1, user_api="blas"):
        yield


@pytest.fixture(scope="session")
def model_directory() -> Path:
    return ModelStore.from_environment().require("all-minilm-l6-v2")


@pytest.fixture(scope="session")
def encoder(model_directory: Path) -> SentenceEncoder:
    return SentenceEncoder(model_directory)
