"""The permission options of every command that runs a script."""

from __future__ import annotations

from typing import Any

import click

from assay.permissions.needs import RIGHTS, Right
from assay.permissions.settings import ALL, SandboxOptions

_LISTS: dict[Right, str] = {
    "net": "HOST",
    "read": "PATH",
    "write": "PATH",
    "env": "NAME",
    "run": "PROGRAM",
    "db": "HOST",
    "temporal": "HOST",
}


class SandboxedCommand(click.Command):
    """A command that runs a script with permissions: its function receives `SandboxOptions` as `sandbox`."""

    def __init__(self, *arguments: Any, shows_all: bool = False, **options: Any) -> None:
        """Add the options. Unless `shows_all`, the help of the command shows only `--sandbox`."""
        super().__init__(*arguments, **options)
        more = "." if shows_all else " (see assay run --help)."
        added = [click.Option(["--sandbox"], is_flag=True, help=f"Deny access by default{more}")]
        for right, name in _LISTS.items():
            option = click.Option(
                [f"--allow-{right}"],
                multiple=True,
                metavar=f"[={name},…]",
                hidden=not shows_all,
                help=f"{RIGHTS[right][0].upper()}{RIGHTS[right][1:]}.",
            )
            added.append(option)
        file = "File with a [permissions] table [assay.toml]."
        added.append(click.Option(["--permissions"], metavar="FILE", hidden=not shows_all, help=file))
        self.params = [*added, *self.params]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse; an option without a list grants the whole right."""
        return super().parse_args(ctx, self._with_lists(ctx, args))

    def _with_lists(self, ctx: click.Context, args: list[str]) -> list[str]:
        # click would take the next argument as the list.
        bare = {f"--allow-{right}" for right in RIGHTS}
        with_value = {
            name
            for option in self.params
            if isinstance(option, click.Option) and not option.is_flag
            for name in option.opts
        }
        given: list[str] = []
        rest = list(args)
        while rest:
            item = rest.pop(0)
            if item == "--" or (not item.startswith("-") and not ctx.allow_interspersed_args):
                return [*given, item, *rest]
            given.append(f"{item}={ALL}" if item in bare else item)
            if item in with_value - bare and rest:
                given.append(rest.pop(0))
        return given

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        lists = {right: ctx.params.pop(f"allow_{right}") for right in RIGHTS}
        ctx.params["sandbox"] = SandboxOptions(
            sandbox=ctx.params.pop("sandbox"),
            lists={right: given for right, given in lists.items() if given},
            file=ctx.params.pop("permissions"),
        )
        return super().invoke(ctx)
