"""Whether a manifest has only fields that Kubernetes knows, by the models of its own Python client."""

import re
from typing import Any

from kubernetes import client


def faults(value: Any, kind: str, path: str = "") -> list[str]:
    """What is wrong with a value that should be a `kind`: `V1PodTemplateSpec`, `List[str]`, `Dict[str, str]`, `int`."""
    if inner := re.fullmatch(r"List\[(.+)\]", kind):
        if not isinstance(value, list):
            return [f"{path} is no list"]
        return [fault for index, each in enumerate(value) for fault in faults(each, inner[1], f"{path}[{index}]")]
    if inner := re.fullmatch(r"Dict\[str, (.+)\]", kind):
        if not isinstance(value, dict):
            return [f"{path} is no map"]
        return [fault for key, each in value.items() for fault in faults(each, inner[1], f"{path}.{key}")]
    if kind == "object":  # a number or a string, as ports and quantities are
        return [] if isinstance(value, str | int) else [f"{path} is neither a number nor a text"]
    if kind in ("str", "int", "bool", "float"):
        wanted = {"str": str, "int": int, "bool": bool, "float": float}[kind]
        # Quantities are texts in the client's eyes, and may be numbers.
        fits = isinstance(value, (wanted, int) if re.search(r"\.(requests|limits)\.\S+$", path) else wanted)
        return [] if fits and (kind == "bool") == isinstance(value, bool) else [f"{path} is {value!r}, not {kind}"]
    model = getattr(client, kind)
    if not isinstance(value, dict):
        return [f"{path} is no {kind}"]
    fields = {written: attribute for attribute, written in model.attribute_map.items()}
    found = [f"{path}.{key}: {kind} has no such field" for key in value if key not in fields]
    for key, each in value.items():
        if key in fields:
            found += faults(each, model.openapi_types[fields[key]], f"{path}.{key}")
    return found
