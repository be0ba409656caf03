from pathlib import Path

import pytest
from pydantic import ValidationError

from services.kit.config import ServiceConfig


def test_keys_come_from_the_variable_and_the_file(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text("# who may call\nada=a-key\n\nbare-key\n")
    config = ServiceConfig(api_keys="bob=b-key, other", api_keys_file=file)
    assert config.keys() == {"b-key": "bob", "other": "default", "a-key": "ada", "bare-key": "default"}


@pytest.mark.parametrize(
    "keys", [",", " ", "ada=", "=key", "a b", "ada=schlüssel", "müller=key", "ada=k,bob=", "x" * 600]
)
def test_keys_that_would_let_in_nobody_or_everybody_are_refused(keys: str) -> None:
    with pytest.raises(ValidationError) as refused:
        ServiceConfig(api_keys=keys)
    assert "LEDGE_API_KEYS" in str(refused.value.errors()[0]["msg"])


@pytest.mark.parametrize("content", [b"", b"# nothing but a comment\n", b"\xff\xfe"])
def test_a_file_without_keys_does_not_mean_that_calls_need_none(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_bytes(content)
    with pytest.raises(ValidationError):
        ServiceConfig(api_keys_file=file)
