"""A model that cannot be served is refused at the start, in a sentence, and nothing is asked of a hub."""

from pathlib import Path

import pytest

from services.asr.config import AsrConfig
from services.asr.engines import load
from services.cli.bench.random_whisper import SHAPES, make_catalogue, make_whisper
from services.kit.errors import EngineFailed, InvalidInput, NotFound

pytest.importorskip("faster_whisper")


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory whose files are the model `whisper-made`, once `serve` has been called."""
    directory = tmp_path / "whisper-made"
    make_whisper(directory, SHAPES["micro"], ["gate"])
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("LEDGE_OFFLINE", "0")
    return directory


def serve(directory: Path, monkeypatch: pytest.MonkeyPatch, **settings: object) -> AsrConfig:
    for name, value in make_catalogue(directory.parent, [directory]).items():
        monkeypatch.setenv(name, value)
    return AsrConfig(engine="faster-whisper", model=directory.name, **settings)


@pytest.mark.parametrize("missing", ["tokenizer.json", "config.json", "model.bin"])
async def test_a_file_that_is_missing_is_named(made: Path, monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    (made / missing).unlink()
    with pytest.raises(EngineFailed, match=missing):
        await load(serve(made, monkeypatch))


async def test_a_model_that_is_no_whisper_is_refused(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (made / "model.bin").write_bytes(b"no model at all")
    with pytest.raises(EngineFailed, match="cannot be loaded"):
        await load(serve(made, monkeypatch))


async def test_a_compute_type_that_there_is_not_is_refused(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(EngineFailed, match="int99"):
        await load(serve(made, monkeypatch, compute_type="int99"))


async def test_another_engines_model_is_refused_and_an_unknown_one_not_found(
    made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(made, monkeypatch)
    with pytest.raises(InvalidInput, match="not in faster-whisper"):
        await load(AsrConfig(engine="faster-whisper", model="smollm2-135m-instruct"))
    with pytest.raises(NotFound):
        await load(AsrConfig(engine="faster-whisper", model="whisper-nowhere"))


async def test_any_number_of_workers_may_be_set(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = serve(made, monkeypatch, workers=3)
    engine = await load(config)
    assert engine.model.id == "whisper-made"
    assert engine.model.languages[0] == "en"
    await engine.close()
