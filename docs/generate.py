"""Writes what is made from other files: settings from the config classes, RPCs from the contracts, the chart's values
from the profiles, its README from its values.

python docs/generate.py           writes docs/configuration.md, docs/contracts.md, helm/ledge/{README.md,values*.yaml}
python docs/generate.py --check   exits with 1 when they are stale
"""

import importlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import chart_pages
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet
from pydantic import AliasChoices
from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings

ROOT = Path(__file__).parent.parent
MADE = "<!-- Made by docs/generate.py (`make docs`); edit the source, not this page. -->\n"


def configuration() -> str:
    from services.kit.config import ServiceConfig

    lines = [
        "# Configuration",
        MADE,
        "All settings come from the environment, are checked before any port opens, and are told (secrets left out) by",
        "`/v1/manifest` on the service's ops port. A second name in a row is NIM's for the same knob.",
        "",
        "## Every service",
        "",
        *_table(ServiceConfig, set()),
    ]
    for title, place in (("Model store", "kit.models.config"), ("Local run (`ledge up`)", "cli.local.config")):
        module = importlib.import_module(f"services.{place}")
        kinds = (value for value in vars(module).values() if isinstance(value, type))
        own = next(kind for kind in kinds if issubclass(kind, BaseSettings) and kind.__module__ == module.__name__)
        lines += ["", f"## {title}", "", *_table(own, set())]
    shared = set(ServiceConfig.model_fields)
    for file in sorted((ROOT / "services").glob("*/config.py")):
        service = file.parent.name
        if service == "kit":
            continue
        module = importlib.import_module(f"services.{service}.config")
        for value in vars(module).values():
            if isinstance(value, type) and issubclass(value, ServiceConfig) and value.__module__ == module.__name__:
                own = _table(value, {name for name in shared if name not in value.__annotations__})
                lines += ["", f"## {service}", "", *own]
    return "\n".join(lines) + "\n"


def _table(config: Any, left_out: set[str]) -> list[str]:
    rows = ["| variable | default | meaning |", "|---|---|---|"]
    for name, field in config.model_fields.items():
        if name in left_out:
            continue
        names = [f"LEDGE_{name.upper()}"]
        if isinstance(field.validation_alias, AliasChoices):
            names = [str(choice) for choice in field.validation_alias.choices]
        value = ",".join(field.default) if isinstance(field.default, tuple) else field.default
        default = "" if value in (None, PydanticUndefined, "") else f"`{value}`"
        if field.default_factory is not None:
            default = "(see meaning)"
        meaning = " ".join((field.description or "").split()).replace("|", "\\|")
        rows.append(f"| {', '.join(f'`{name}`' for name in names)} | {default} | {meaning} |")
    return rows


def contracts() -> str:
    protos = ROOT / "protos"
    files = sorted(str(file.relative_to(protos)) for file in protos.glob("ledge/**/*.proto"))
    command = [sys.executable, "-m", "grpc_tools.protoc", "-I", ".", "--include_source_info"]
    compiled = subprocess.run(
        [*command, "--descriptor_set_out=/dev/stdout", *files], cwd=protos, check=True, capture_output=True
    )
    lines = [
        "# Contracts",
        MADE,
        "gRPC, one package a service: `ledge.<service>.v1`. Every port also serves `grpc.health.v1` and reflection.",
        "Errors carry `google.rpc.ErrorInfo` and, where a retry helps, `RetryInfo`; timings come back as trailing",
        "metadata `ledge-queue-ms`, `ledge-compute-ms`, `ledge-total-ms`. See architecture.md for what holds for all.",
    ]
    for file in FileDescriptorSet.FromString(compiled.stdout).file:
        if file.name in files:
            lines += _file(file)
    return "\n".join(lines) + "\n"


def _file(file: FileDescriptorProto) -> list[str]:
    comments = {tuple(location.path): location.leading_comments for location in file.source_code_info.location}
    lines = ["", f"## {file.package}"]
    enums = [(enum, (5, number)) for number, enum in enumerate(file.enum_type)]
    enums += [
        (enum, (4, outer, 4, number))
        for outer, message in enumerate(file.message_type)
        for number, enum in enumerate(message.enum_type)
    ]
    for number, service in enumerate(file.service):
        lines += ["", f"### {service.name}", "", _prose(comments.get((6, number), ""))]
        for position, method in enumerate(service.method):
            taken = ("stream " if method.client_streaming else "") + method.input_type.rpartition(".")[2]
            given = ("stream " if method.server_streaming else "") + method.output_type.rpartition(".")[2]
            told = _prose(comments.get((6, number, 2, position), ""))
            lines += ["", f"**`{method.name}({taken}) → {given}`** {told}".rstrip()]
    for number, message in enumerate(file.message_type):
        lines += ["", f"#### {message.name}", ""]
        if told := _prose(comments.get((4, number), "")):
            lines += [told, ""]
        if message.field:
            lines += ["| field | type | meaning |", "|---|---|---|"]
        for position, field in enumerate(message.field):
            told = _prose(comments.get((4, number, 2, position), "")).replace("|", "\\|")
            lines.append(f"| `{field.name}` = {field.number} | {_type(field)} | {told} |")
    for enum, path in enums:
        lines += ["", f"#### {enum.name}", ""]
        if told := _prose(comments.get(path, "")):
            lines += [told, ""]
        lines += ["| value | meaning |", "|---|---|"]
        for position, value in enumerate(enum.value):
            told = _prose(comments.get((*path, 2, position), "")).replace("|", "\\|")
            lines.append(f"| `{value.name}` = {value.number} | {told} |")
    return lines


def _type(field: FieldDescriptorProto) -> str:
    name = field.type_name.rpartition(".")[2] or FieldDescriptorProto.Type.Name(field.type)[5:].lower()
    if field.label == FieldDescriptorProto.LABEL_REPEATED:
        return f"repeated {name}"
    return f"optional {name}" if field.proto3_optional else name


def _prose(comment: str) -> str:
    return " ".join(comment.split())


def main() -> int:
    stale = []
    made = {ROOT / "docs" / "configuration.md": configuration(), ROOT / "docs" / "contracts.md": contracts()}
    for page, text in (made | chart_pages.pages()).items():
        if not page.exists() or page.read_text() != text:
            stale.append(str(page.relative_to(ROOT)))
            if "--check" not in sys.argv:
                page.write_text(text)
    if "--check" in sys.argv and stale:
        print(f"stale: {', '.join(stale)}; run `make docs`")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
