"""The structure of the suite is a promise: one arrow, five files a service, one name in four places."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
CAPABILITIES = {"asr", "tts", "translation", "llm", "embedding", "retrieval", "reranking"}
COMPOSITIONS = {"rag", "voice", "hybrid"}
DOORS = {"gateway", "riva", "wyoming"}
CALLS = {  # what each tier may hold the contracts of, besides its own
    "capability": set[str](),
    "composition": CAPABILITIES | COMPOSITIONS,
    "door": CAPABILITIES | COMPOSITIONS,
}
SHARED_NOUNS = {"model", "audio"}
SAY_NOTHING = {"utils", "helpers", "common", "base", "manager", "misc", "const"}
SERVICES = sorted(
    path.name
    for path in (ROOT / "services").iterdir()
    if path.name in CAPABILITIES | COMPOSITIONS | DOORS and (path / "__main__.py").exists()
)


def tier(service: str) -> str:
    if service in CAPABILITIES:
        return "capability"
    return "composition" if service in COMPOSITIONS else "door"


def imports(file: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: imports are absolute"
            found.add(node.module or "")
    return found


def sources(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_imports_what_lies_under_it_and_itself_and_never_another_service(service: str) -> None:
    for file in sources(f"services/{service}"):
        for module in imports(file):
            if module.startswith("services."):
                own = {"kit", "estimates", service}
                assert module.split(".")[1] in own, f"{file.relative_to(ROOT)} imports {module}"


@pytest.mark.parametrize("service", SERVICES)
def test_contracts_are_held_down_the_arrow_only(service: str) -> None:
    allowed = {service} | SHARED_NOUNS | CALLS[tier(service)]
    for file in sources(f"services/{service}"):
        for module in imports(file):
            if module.startswith("ledge."):
                assert module.split(".")[1] in allowed, f"{file.relative_to(ROOT)} imports {module}"


def test_the_kit_knows_no_service() -> None:
    for file in sources("services/kit"):
        for module in imports(file):
            if module.startswith("services."):
                assert module.split(".")[1] == "kit", f"{file.relative_to(ROOT)} imports {module}"
            if module.startswith("ledge."):
                assert module.split(".")[1] in SHARED_NOUNS, f"{file.relative_to(ROOT)} imports {module}"


def test_estimates_are_arithmetic_that_calls_nobody() -> None:
    for file in sources("services/estimates"):
        for module in imports(file):
            if module.startswith("services."):
                computing = module.startswith(
                    ("services.estimates", "services.kit.errors", "services.kit.bounded_file")
                )
                assert computing, f"{file.relative_to(ROOT)} imports {module}"
            assert module.split(".")[0] not in {"grpc", "google", "ledge"}, f"{file.relative_to(ROOT)} imports {module}"


@pytest.mark.parametrize("service", [name for name in SERVICES if name in CAPABILITIES])
def test_a_capability_has_its_five_files(service: str) -> None:
    folder = ROOT / "services" / service
    for name in ("__main__.py", "config.py", "service.py", "engine.py", "engines/__init__.py"):
        assert (folder / name).is_file(), f"services/{service}/{name} is missing"
    promise = imports(folder / "engine.py")
    assert not [module for module in promise if module.split(".")[0] in {"grpc", "google", "ledge"}], (
        f"services/{service}/engine.py promises in domain words: no gRPC, no protobuf"
    )


@pytest.mark.parametrize("service", SERVICES)
def test_one_name_in_four_places(service: str) -> None:
    assert (ROOT / "tests" / service).is_dir()
    if service not in DOORS:
        assert (ROOT / "protos/ledge" / service / "v1" / f"{service}.proto").is_file()


def test_every_file_is_named_for_what_it_is() -> None:
    for file in [*sources("services"), *sources("tests")]:
        assert not SAY_NOTHING & set(file.relative_to(ROOT).with_suffix("").parts), f"{file} says nothing by its name"


def test_every_module_begins_by_saying_what_it_promises() -> None:
    for file in sources("services"):
        text = file.read_text()
        assert not text.strip() or ast.get_docstring(ast.parse(text)), f"{file.relative_to(ROOT)} has no docstring"
