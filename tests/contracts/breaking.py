"""Tells what a changed contract breaks for clients of the released one."""

from collections.abc import Iterator

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorSet,
    ServiceDescriptorProto,
)


def breaking_changes(released: FileDescriptorSet, current: FileDescriptorSet) -> list[str]:
    """One sentence for each change that an existing client or stored message would notice."""
    now = {file.name: file for file in current.file}
    found: list[str] = []
    for before in released.file:
        after = now.get(before.name)
        if after is None:
            found.append(f"{before.name} is gone")
            continue
        found += _messages(before.package, before.message_type, after.message_type)
        found += _enums(before.package, before.enum_type, after.enum_type)
        found += _services(before.package, before.service, after.service)
    return found


def _messages(scope: str, before: object, after: object) -> Iterator[str]:
    now: dict[str, DescriptorProto] = {message.name: message for message in after}  # type: ignore[attr-defined]
    for message in before:  # type: ignore[attr-defined]
        name = f"{scope}.{message.name}"
        if message.name not in now:
            yield f"message {name} is gone"
            continue
        yield from _fields(name, message, now[message.name])
        yield from _messages(name, message.nested_type, now[message.name].nested_type)
        yield from _enums(name, message.enum_type, now[message.name].enum_type)


def _fields(message: str, before: DescriptorProto, after: DescriptorProto) -> Iterator[str]:
    now = {field.number: field for field in after.field}
    for field in before.field:
        name = f"{message}.{field.name} = {field.number}"
        other = now.get(field.number)
        if other is None:
            reserved = any(span.start <= field.number < span.end for span in after.reserved_range)
            if not (reserved and field.name in after.reserved_name):
                yield f"field {name} is gone and neither its number nor its name is reserved"
        elif _shape(field, before) != _shape(other, after):
            yield f"field {name} has changed"


def _shape(field: FieldDescriptorProto, message: DescriptorProto) -> tuple[object, ...]:
    group = message.oneof_decl[field.oneof_index].name if field.HasField("oneof_index") else ""
    return field.name, field.type, field.label, field.type_name, group


def _enums(scope: str, before: object, after: object) -> Iterator[str]:
    now: dict[str, EnumDescriptorProto] = {enum.name: enum for enum in after}  # type: ignore[attr-defined]
    for enum in before:  # type: ignore[attr-defined]
        if enum.name not in now:
            yield f"enum {scope}.{enum.name} is gone"
            continue
        values = {value.name: value.number for value in now[enum.name].value}
        for value in enum.value:
            if values.get(value.name) != value.number:
                yield f"enum value {scope}.{enum.name}.{value.name} = {value.number} has changed"


def _services(scope: str, before: object, after: object) -> Iterator[str]:
    now: dict[str, ServiceDescriptorProto] = {service.name: service for service in after}  # type: ignore[attr-defined]
    for service in before:  # type: ignore[attr-defined]
        methods = {method.name: method for method in now[service.name].method} if service.name in now else {}
        for method in service.method:
            other = methods.get(method.name)
            if other is None:
                yield f"rpc {scope}.{service.name}.{method.name} is gone"
            elif (method.input_type, method.output_type, method.client_streaming, method.server_streaming) != (
                other.input_type,
                other.output_type,
                other.client_streaming,
                other.server_streaming,
            ):
                yield f"rpc {scope}.{service.name}.{method.name} has changed"
