"""The conversion is made once, survives whatever happens to what is kept of it, and refuses what is no BERT."""

import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from services.kit.encoder.sentence import SentenceEncoder
from services.kit.encoder.text import Truncation
from services.kit.errors import EngineFailed
from tests.kit.encoder.reference import ReferenceBert


@pytest.fixture
def fresh(model_directory: Path, tmp_path: Path) -> Path:
    """The model, without what an earlier run kept."""
    shutil.copytree(model_directory, tmp_path / "model", ignore=shutil.ignore_patterns(".*"), copy_function=os.link)
    return tmp_path / "model"


def kept(directory: Path) -> list[Path]:
    return sorted((directory / ".ctranslate2").glob("*/model.bin"))


def dense(encoder: SentenceEncoder) -> list[float]:
    tokenised = encoder.tokeniser.tokenise(["The pump house"], Truncation.NONE)
    values: list[float] = encoder.encode(tokenised, [False])[0].dense.tolist()
    return values


def edit(file: Path, **changes: object) -> None:
    content = json.loads(file.read_text())
    file.unlink()
    file.write_text(json.dumps(content | changes))


def test_the_second_start_uses_what_the_first_converted(fresh: Path) -> None:
    first = dense(SentenceEncoder(fresh))
    (model,) = kept(fresh)
    made_ns = model.stat().st_mtime_ns
    assert dense(SentenceEncoder(fresh)) == first
    assert [model.stat().st_mtime_ns] == [made_ns]
    assert not list((fresh / ".ctranslate2").glob(".converting-*"))


def test_services_that_start_together_do_not_disturb_each_other(fresh: Path) -> None:
    with ThreadPoolExecutor(4) as starts:
        results = list(starts.map(lambda _: dense(SentenceEncoder(fresh)), range(4)))
    assert all(result == results[0] for result in results)
    assert len(kept(fresh)) == 1


def test_a_damaged_conversion_is_made_again(fresh: Path) -> None:
    expected = dense(SentenceEncoder(fresh))
    (model,) = kept(fresh)
    with model.open("r+b") as file:
        file.truncate(1000)
    assert dense(SentenceEncoder(fresh)) == expected
    assert kept(fresh)[0].stat().st_size > 10**7


def test_the_conversion_of_other_weights_takes_the_place_of_the_old(fresh: Path) -> None:
    dense(SentenceEncoder(fresh))
    (old,) = kept(fresh)
    killed = fresh / ".ctranslate2" / ".converting-by-a-killed-process"
    killed.mkdir()
    os.utime(killed, (0, 0))
    weights = (fresh / "model.safetensors").read_bytes()
    (fresh / "model.safetensors").unlink()
    (fresh / "model.safetensors").write_bytes(weights)
    dense(SentenceEncoder(fresh))
    (new,) = kept(fresh)
    assert new != old
    assert not killed.exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_store_that_cannot_be_written_is_enough(fresh: Path) -> None:
    fresh.chmod(0o555)
    assert len(dense(SentenceEncoder(fresh))) == 384
    assert not (fresh / ".ctranslate2").exists()


def test_a_conversion_that_cannot_be_kept_is_used_all_the_same(fresh: Path) -> None:
    (fresh / ".ctranslate2").write_text("a file where the folder should be")
    assert len(dense(SentenceEncoder(fresh))) == 384


@pytest.mark.parametrize("missing", ["config.json", "model.safetensors", "tokenizer.json"])
def test_a_missing_file_is_named(fresh: Path, missing: str) -> None:
    (fresh / missing).unlink()
    with pytest.raises(EngineFailed, match=missing.replace("tokenizer.json", "tokeniser")):
        SentenceEncoder(fresh)


def test_truncated_weights_are_refused(fresh: Path) -> None:
    weights = (fresh / "model.safetensors").read_bytes()
    (fresh / "model.safetensors").unlink()
    (fresh / "model.safetensors").write_bytes(weights[:100_000])
    with pytest.raises(EngineFailed, match="weights"):
        SentenceEncoder(fresh)
    assert not kept(fresh)


@pytest.mark.parametrize(
    "changes",
    [
        {"model_type": "llama"},
        {"position_embedding_type": "relative_key"},
        {"hidden_act": "mish"},
        {"num_hidden_layers": 7},
    ],
)
def test_an_architecture_that_is_not_here_is_refused(fresh: Path, changes: dict[str, object]) -> None:
    edit(fresh / "config.json", **changes)
    with pytest.raises(EngineFailed, match="BERT"):
        SentenceEncoder(fresh)


def test_the_models_own_settings_are_followed(fresh: Path) -> None:
    edit(fresh / "sentence_bert_config.json", max_seq_length=32)
    edit(fresh / "1_Pooling/config.json", pooling_mode_mean_tokens=False, pooling_mode_cls_token=True)
    edit(fresh / "config_sentence_transformers.json", prompts={"query": "query: ", "document": "passage: "})
    encoder = SentenceEncoder(fresh)
    assert encoder.tokeniser.max_tokens == 32
    assert (encoder.layout.query_prefix, encoder.layout.passage_prefix) == ("query: ", "passage: ")
    (tokenised,) = encoder.tokeniser.tokenise(["The pump house"], Truncation.NONE)
    first = ReferenceBert(fresh).hidden(tokenised.ids)[0]
    assert encoder.encode([tokenised], [False])[0].dense @ first / np.linalg.norm(first) > 0.98


def test_a_pooling_that_is_not_here_is_refused(fresh: Path) -> None:
    edit(fresh / "1_Pooling/config.json", pooling_mode_max_tokens=True)
    with pytest.raises(EngineFailed, match="pooling_mode_max_tokens"):
        SentenceEncoder(fresh)
