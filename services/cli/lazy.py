"""Command groups whose members are imported when they are used, so that `ledge status` does not wait for the rest."""

import importlib
from collections.abc import Mapping
from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_command


def lazy_group(members: Mapping[str, str]) -> type[TyperGroup]:
    """A group for `typer.Typer(cls=…)`.

    Args:
        members: name of the command → "module:attribute", a command function or a `typer.Typer` of its own.
    """

    class LazyGroup(TyperGroup):
        def list_commands(self, ctx: Any) -> list[str]:
            return list(members)

        def get_command(self, ctx: Any, cmd_name: str) -> Any:
            if cmd_name not in members:
                return None
            if cmd_name not in self.commands:
                self.commands[cmd_name] = _load(cmd_name, members[cmd_name])
            return self.commands[cmd_name]

        def resolve_command(self, ctx: Any, args: list[str]) -> Any:
            # For "did you mean": typer looks for neighbours among the commands loaded.
            if args and args[0] not in members and not args[0].startswith("-"):
                for name in members:
                    self.get_command(ctx, name)
            return super().resolve_command(ctx, args)

    return LazyGroup


def _load(name: str, target: str) -> Any:
    module, _, attribute = target.partition(":")
    member = getattr(importlib.import_module(module), attribute)
    if isinstance(member, typer.Typer):
        command = get_command(member)
        command.name = name
        return command
    app = typer.Typer(add_completion=False)
    app.command(name)(member)
    return get_command(app)
