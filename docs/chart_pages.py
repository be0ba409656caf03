"""The chart's values files, made from the profiles, and its README, made from the comments of its values."""

import json
import math
import re
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parent.parent
CHART = ROOT / "helm" / "ledge"
DEFAULT = "embedded-cpu"
PROFILES = (DEFAULT, "cpu", "gpu-24g", "gpu-80g", "gpu-2x80g")
BEGIN = "# Made from deploy/profiles/embedded-cpu.yaml by `make docs`.\n"
END = "# End of what is made.\n"
MIB = 2**20

SERVICES: dict[str, dict[str, Any]] = {
    "asr": {},
    "tts": {},
    "translation": {},
    "llm": {},
    "embedding": {},
    # One writer, whose successor starts when it has ended: nobody else could take its calls meanwhile.
    "retrieval": {"preStopSeconds": 0, "settleSeconds": 0, "persistence": {"enabled": True}},
    "reranking": {},
    "rag": {"calls": ["embedding", "retrieval", "reranking", "llm"], "tmpSize": "1Gi"},
    "voice": {"calls": ["asr", "tts", "rag", "llm", "translation?"], "drainSeconds": 60},
    "hybrid": {"calls": ["little=llm", "big=llm-big?"]},
    "gateway": {
        "calls": ["llm", "embedding", "reranking", "rag", "asr?", "tts?", "translation?", "voice?"],
        "exposed": True,
        "drainSeconds": 60,
        "tmpSize": "2Gi",
    },
    "riva": {"calls": ["asr?", "tts?", "translation?"], "exposed": True},
    "wyoming": {"calls": ["asr?", "tts?", "rag?"], "exposed": True},
}
"""What a service is whatever the hardware: whom it calls, how it ends, what it keeps."""

REQUESTED = 0.75
"""Share of a budget that is requested: a node's own pods want room too. The limit of memory is the whole budget; cores
have no limit, they go to whoever works, in proportion to what is requested."""

STARTUP_S = {"vllm": 1800, "sentence-transformers": 300, "cross-encoder": 300, "faster-whisper": 300, "openai": 600}
GPU_ENGINES = {"vllm", "sentence-transformers", "cross-encoder"}


def pages() -> dict[Path, str]:
    """Every file that is made: path → text."""
    made = {CHART / f"values-{name}.yaml": _profile_values(name) for name in PROFILES}
    values = _with_services((CHART / "values.yaml").read_text())
    made[CHART / "values.yaml"] = values
    made[CHART / "README.md"] = _readme(values)
    return made


def _with_services(text: str) -> str:
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise SystemExit("helm/ledge/values.yaml lacks the lines between which its services are made")
    own = _profile_services(_profile(DEFAULT))
    services = {name: {**structure, **own[name]} for name, structure in SERVICES.items()}
    return before + begin + _yaml({"services": services}) + end + after


def _profile_values(name: str) -> str:
    profile = _profile(name)
    services = _profile_services(profile)
    for service, own in services.items():
        if "hybrid" in profile["services"] and service != "hybrid" and "llm" in SERVICES[service].get("calls", ()):
            # Two models are asked as one, as in the local run.
            own["calls"] = ["llm=hybrid" if call == "llm" else call for call in SERVICES[service]["calls"]]
        # Helm lays these values over the chart's own, whose environment would shine through.
        shown = _profile(DEFAULT)["services"].get(service, {})
        hidden = dict.fromkeys(shown.get("env", {}).keys() - own.get("env", {}).keys())
        if own["enabled"] and hidden:
            own["env"] = own.get("env", {}) | dict(sorted(hidden.items()))
        if own["enabled"] and shown.get("model") and "model" not in own:
            own["model"] = ""
    values: dict[str, Any] = {"profile": name, "services": services}
    hardware = profile["hardware"]
    if hardware.get("accelerator", "none") == "cuda":
        values["gpu"] = {
            "mode": "shared",
            "count": hardware["accelerator_count"],
            "totalMemoryMiB": hardware["accelerator_bytes"] // MIB,
            "runtimeClassName": "nvidia",
        }
    catalog = {model["id"]: model for model in _read(ROOT / "deploy" / "models.yaml")["models"]}
    models = {one["model"] for one in profile["services"].values() if one.get("model")}
    needed_bytes = sum(_size_bytes(catalog[model]) for model in models)
    values["models"] = {"persistence": {"size": f"{max(5, math.ceil(needed_bytes * 1.2 / 2**30))}Gi"}}
    if any(catalog[model].get("unpinned") for model in models):
        values["models"]["pin"] = True
    head = (
        f"# {profile['description']}\n"
        f"# Made by `make docs` from deploy/profiles/{name}.yaml, which says why; lay your own values over it.\n"
    )
    return head + _yaml(values)


def _size_bytes(model: dict[str, Any]) -> int:
    """On disk; of an unpinned model, whose files nobody has counted, what it takes of memory."""
    counted = sum(int(file["size_bytes"]) for file in model.get("files", ()))
    return counted or max(int(model["memory"]["cpu_bytes"]), int(model["memory"]["gpu_bytes"]))


def _profile_services(profile: dict[str, Any]) -> dict[str, dict[str, Any]]:
    made: dict[str, dict[str, Any]] = {}
    for name in SERVICES:
        service = profile["services"].get(name)
        made[name] = {"enabled": False} if service is None else {"enabled": True, **_service(service)}
    return made


def _service(service: dict[str, Any]) -> dict[str, Any]:
    budget = service["budget"]
    engine = service.get("engine")
    env = {variable: _text(value) for variable, value in service.get("env", {}).items()}
    values: dict[str, Any] = {}
    on_gpu = bool(budget.get("accelerator_count"))
    if on_gpu or engine in GPU_ENGINES:
        values["image"] = {"variant": "gpu"}
    elif engine in ("piper", "qdrant"):
        values["image"] = {"variant": engine}
    if engine:
        values["engine"] = engine
    if service.get("model"):
        values["model"] = service["model"]
    if env:
        values["env"] = env
    if engine in STARTUP_S:
        values["startupTimeoutSeconds"] = STARTUP_S[engine]
    if on_gpu:
        values["gpu"] = {"memoryMiB": budget["accelerator_bytes"] // MIB}
        kind, _, index = env.get("LEDGE_DEVICE", "").partition(":")
        if index:
            # A container that is shown one GPU knows it as the first.
            values["gpu"]["device"] = int(index)
            env["LEDGE_DEVICE"] = kind
        if budget["accelerator_count"] > 1:
            values["gpu"]["count"] = budget["accelerator_count"]
            values["shmMiB"] = 8192
    if engine == "vllm":
        values["tmpSize"] = "10Gi"  # what Triton and torch compile
    memory_bytes = int(budget["memory_bytes"])
    values["resources"] = {
        "requests": {
            "cpu": _cores(budget["cpu_cores"] * REQUESTED),
            "memory": _bytes(math.floor(memory_bytes * REQUESTED)),
        },
        "limits": {"memory": _bytes(memory_bytes)},
    }
    return values


def _bytes(count: int) -> str:
    """As Kubernetes itself would write it, so that nothing differs when it is read back."""
    megabytes = count // 10**6
    return f"{megabytes}M" if megabytes % 1000 else f"{megabytes // 1000}G"


def _cores(count: float) -> str:
    thousandths = max(10, math.floor(count * 1000))
    return f"{thousandths}m" if thousandths % 1000 else str(thousandths // 1000)


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _profile(name: str) -> dict[str, Any]:
    return _read(ROOT / "deploy" / "profiles" / f"{name}.yaml")


def _read(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(path.read_text())
    return document


class _Dumper(yaml.SafeDumper):
    """Lists and small maps on one line, as people write them."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        return super().increase_indent(flow, False)


def _yaml(value: dict[str, Any]) -> str:
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, width=118, default_flow_style=None)


BAR = "\\|"
KEY = re.compile(r"^( *)([A-Za-z][\w-]*):(?: |$)")


def _readme(values: str) -> str:
    defaults: dict[str, Any] = yaml.safe_load(values)
    lines = [
        "# ledge",
        "",
        "<!-- Made by docs/generate.py (`make docs`) from the comments of values.yaml; edit those, not this page. -->",
        "",
        "The whole suite in one release. What to do with it is told in [docs/operate.md](../../docs/operate.md).",
        "",
        "```sh",
        "helm install ledge helm/ledge                                       # plain CPU, two cores and 4 GB",
        "helm install ledge helm/ledge -f helm/ledge/values-gpu-24g.yaml     # or cpu, gpu-80g, gpu-2x80g",
        "helm test ledge                                                     # one real call to each service",
        "```",
        "",
        "Every pod comes from one template (`charts/ledge-lib/templates/_pod.tpl`), so what is said under `scheduling`",
        "reaches them all. Unknown keys are refused; what does not go together is refused with what to do.",
        "",
        "## Who calls whom",
        "",
        "`calls` of each service is the call graph: it gives services their addresses, and NetworkPolicies allow",
        "exactly these calls.",
        "",
        "```mermaid",
        "flowchart LR",
        *_graph(defaults["services"]),
        "```",
        "",
        "Dotted: the caller does without.",
        "",
        "## Values",
        "",
        "Each `services.<name>` takes what stands under `defaults`; there it holds for all.",
        "",
        "| value | default | meaning |",
        "|---|---|---|",
    ]
    path: list[str] = []
    comment: list[str] = []
    for line in values.partition(BEGIN)[0].splitlines() + values.partition(END)[2].splitlines():
        stripped = line.strip()
        if stripped.startswith("# -- "):
            comment = [stripped[5:]]
        elif stripped.startswith("# ") and comment:
            comment.append(stripped[2:])
        elif match := KEY.match(line):
            path = [*path[: len(match[1]) // 2], match[2]]
            if comment:
                default: Any = defaults
                for key in path:
                    default = default[key]
                told = json.dumps(default, ensure_ascii=False)
                cells = (f"`{'.'.join(path)}`", f"`{told}`", " ".join(comment))
                lines.append(f"| {' | '.join(cell.replace('|', BAR) for cell in cells)} |")
            comment = []
        else:
            comment = []
    return "\n".join(lines) + "\n"


def _graph(services: dict[str, dict[str, Any]]) -> list[str]:
    edges = []
    for name, service in services.items():
        for call in service.get("calls", ()):
            callee = call.rstrip("?").rpartition("=")[2]
            edges.append(f"  {name} {'-.->' if call.endswith('?') else '-->'} {callee}")
    return list(dict.fromkeys(edges))
