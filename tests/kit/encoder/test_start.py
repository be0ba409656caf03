"""A service that cannot have its model says why in one sentence, and does not stay half alive."""

import pytest

from tests.processes import ServiceProcess


@pytest.mark.parametrize(
    ("service", "settings", "words"),
    [
        ("embedding", {"LEDGE_ENGINE": "tarot"}, "there is no embedding engine 'tarot'"),
        ("reranking", {"LEDGE_ENGINE": "tarot"}, "there is no reranking engine 'tarot'"),
        ("embedding", {"LEDGE_MODEL": "no-such-model"}, "no model 'no-such-model' in the catalogue"),
        ("reranking", {"LEDGE_MODEL": "smollm2-135m-instruct"}, "smollm2-135m-instruct is a model for llm"),
        ("embedding", {"LEDGE_QUERY_PREFIX": "query: " * 100}, "the prefix 'query: query:"),
        ("embedding", {"LEDGE_MODELS_DIR": "EMPTY", "LEDGE_OFFLINE": "1"}, "ledge models pull all-minilm-l6-v2"),
    ],
    ids=["engine", "reranking-engine", "model", "task", "prefix", "offline"],
)
def test_a_start_that_must_fail_says_why(
    service: str, settings: dict[str, str], words: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    pytest.importorskip("ctranslate2")
    given = {
        key: str(tmp_path_factory.mktemp("store")) if value == "EMPTY" else value for key, value in settings.items()
    }
    process = ServiceProcess(service, given)
    try:
        assert process.wait() == 1
        process.wait_for("(end of log)")
        said = " ".join(str(entry["event"]) for entry in process.log if entry.get("level") == "error")
        assert words in said
    finally:
        process.close()


def test_a_setting_out_of_range_is_refused_before_any_port_opens() -> None:
    process = ServiceProcess("embedding", {"LEDGE_ENGINE": "scripted", "LEDGE_WORKERS": "0"})
    try:
        assert process.wait() == 2
        process.wait_for("(end of log)")
        assert any("LEDGE_WORKERS" in str(entry["event"]) for entry in process.log)
    finally:
        process.close()
