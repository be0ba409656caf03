"""`ledge plan` as a person calls it."""

import json
from pathlib import Path

import pytest
import yaml

from tests.helm.chart import render
from tests.ledge_command import Ledge


def test_the_plan_is_a_table_with_what_binds_and_what_to_set(ledge: Ledge, tmp_path: Path) -> None:
    values, report = tmp_path / "values.yaml", tmp_path / "plan.json"
    done = ledge.run(
        *("plan", "--model", "llama-3.1-8b", "--gpu", "h100", "--users", "200", "--in", "1000", "--out", "1000"),
        *("--observed", "6372", "--values", str(values), "--json", str(report)),
    )
    assert "→ 200" in done.stdout
    assert "most users within the objective: 213; then binds memory" in done.stdout
    assert "modelled, not measured" in done.stdout
    assert "Batching explains it" in done.stdout
    environment = yaml.safe_load(values.read_text())["services"]["llm"]["env"]
    assert environment["LEDGE_SLOTS"] == "213"
    told = json.loads(report.read_text())
    # By hand the share of the GPU is set; the chart knows it from what each pod has.
    assert told["environment"] == {**environment, "LEDGE_GPU_MEMORY_SHARE": "0.9"}
    assert "0.9 of each GPU's memory" in values.read_text()
    assert told["asked"]["users"] == 200
    assert [one["users"] for one in told["curve"]][-1] == told["fitting_answers"]


SMALL = ("plan", "--model", "smollm2-135m", "--users", "4", "--in", "100", "--out", "100")
ON_TWO_CORES = [
    {"figure": "tokens per second, 1 stream", "value": 84.0, "unit": "tokens/s"},
    {"figure": "first token p50, 1 stream", "value": 9.0, "unit": "ms"},
    {"figure": "tokens per second, 16 streams", "value": 195.0, "unit": "tokens/s"},
]
WORKLOAD = {"model": "smollm2-135m-instruct", "engine": "llamacpp", "prompt_tokens": 40, "answer_tokens": 200}


def measured_file(folder: Path, **fields: object) -> Path:
    path = folder / "llm.json"
    path.write_text(json.dumps({"bench": "llm", "rows": ON_TWO_CORES, **fields}))
    return path


def test_a_measured_file_takes_the_place_of_the_published_points(ledge: Ledge, tmp_path: Path) -> None:
    measured = measured_file(tmp_path, workload=WORKLOAD)
    done = ledge.run(*SMALL, "--gpu", "cpu-2", "--measured", str(measured))
    assert "from llm.json, in place of 0.890" in done.stdout
    assert "measured with smollm2-135m-instruct, 40 tokens in, 200 out" in done.stdout
    assert "1 streams: measured 84.0 tokens/s" in done.stdout


def test_longer_answers_read_more_of_the_cache(ledge: Ledge, tmp_path: Path) -> None:
    def told(answer_tokens: int) -> str:
        measured = measured_file(tmp_path, workload={**WORKLOAD, "answer_tokens": answer_tokens})
        return ledge.run(*SMALL, "--gpu", "cpu-2", "--measured", str(measured)).stdout.split(" from llm.json")[0]

    assert told(10) != told(2000)


def test_a_measured_file_that_does_not_say_of_what_it_is_is_taken_with_a_word(ledge: Ledge, tmp_path: Path) -> None:
    done = ledge.run(*SMALL, "--gpu", "cpu-2", "--measured", str(measured_file(tmp_path)))
    assert "does not tell its model and lengths; taken for smollm2-135m, 16 tokens in, 96 out" in done.stdout


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("llama-3.1-8b", "measured with smollm2-135m-instruct, and this plan is of llama-3.1-8b"),
        ("smollm2-135m", "measured on another machine"),
    ],
)
def test_what_was_measured_of_another_model_or_machine_is_refused(
    ledge: Ledge, tmp_path: Path, model: str, said: str
) -> None:
    measured = measured_file(tmp_path, workload=WORKLOAD)
    done = ledge.run("plan", "--model", model, "--gpu", "h100", "--measured", str(measured), code=2)
    assert said in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--gpu", "abacus"), "the platform 'abacus' is not known"),
        (("--model", "eliza"), "the model 'eliza' is not known"),
        (("--format", "roman"), "the format 'roman' is not known"),
        (("--model", "llama-3.1-70b"), "more accelerators, or fewer bits"),
        (("--observed", "0"), "a throughput must be above 0"),
        (("--in", "100000000"), "a prompt of 100000000 tokens"),
    ],
)
def test_what_cannot_be_planned_is_told_in_one_sentence(ledge: Ledge, arguments: tuple[str, ...], said: str) -> None:
    done = ledge.run("plan", *arguments, code=2)
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "content",
    ["", "[]", '{"rows": 7}', '{"rows": []}', '{"rows": [], "workload": {"model": "x"}}', "[" * 100_000],
)
def test_a_file_that_is_no_report_is_told(ledge: Ledge, tmp_path: Path, content: str) -> None:
    measured = tmp_path / "x.json"
    measured.write_text(content)
    assert "ledge bench llm --json" in ledge.run("plan", "--measured", str(measured), code=2).stderr


def test_published_points_and_tiers_are_tables(ledge: Ledge) -> None:
    published = ledge.run("plan", "--published").stdout
    assert published.count("MISS") == 2
    assert "within 15%" in published
    assert "405B, FP8" in ledge.run("plan", "--tiers").stdout


@pytest.mark.parametrize(
    ("profile", "arguments", "wanted"),
    [
        ("embedded-cpu", ("--model", "smollm2-135m", "--gpu", "cpu-2", "--users", "4"), {"LEDGE_SLOTS"}),
        ("gpu-80g", ("--gpu", "h100", "--format", "fp8"), {"LEDGE_SLOTS", "LEDGE_QUANTIZATION"}),
        (
            "gpu-2x80g",
            ("--model", "llama-3.1-70b", "--gpu", "h100", "--count", "2", "--format", "fp8"),
            {"LEDGE_SLOTS", "LEDGE_TENSOR_PARALLEL"},
        ),
    ],
)
def test_the_chart_takes_its_values_over_a_profiles(
    ledge: Ledge, tmp_path: Path, profile: str, arguments: tuple[str, ...], wanted: set[str]
) -> None:
    values = tmp_path / "values.yaml"
    ledge.run("plan", *arguments, "--values", str(values))
    planned = yaml.safe_load(values.read_text())
    settings = planned["services"]["llm"]["env"]
    assert wanted <= set(settings)
    assert render(planned, profile).environment("llm").items() >= settings.items()
