"""The options that say what a script may do, of each command that runs one."""

from __future__ import annotations

from typing import Any

import click

from assay.permissions.needs import RIGHTS, Right
from assay.permissions.settings import ALL, Asked

_LISTS: dict[Right, str] = {
    "net": "HOST:PORT",
    "read": "PATH",
    "write": "PATH",
    "env": "NAME",
    "run": "PROGRAM",
    "db": "HOST",
    "temporal": "HOST:PORT",
}


class SandboxedCommand(click.Command):
    """A command that runs a script, under a policy: its function gets an `Asked` as `asked`."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        """Add the options."""
        super().__init__(*arguments, **options)
        added: list[click.Parameter] = [
            click.Option(["--sandbox"], is_flag=True, help="Allow the script nothing that is not named.")
        ]
        for right, name in _LISTS.items():
            metavar = f"[={name},…]"
            help = f"Let it {RIGHTS[right]}: these, or any. Implies --sandbox."
            added.append(click.Option([f"--allow-{right}"], multiple=True, metavar=metavar, help=help))
        file = "Take the table [permissions] from FILE in place of the assay.toml beside the script."
        added.append(click.Option(["--permissions"], metavar="FILE", help=file))
        self.params = [*added, *self.params]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse; an option without a list is one for all of its right."""
        return super().parse_args(ctx, self._with_lists(ctx, args))

    def _with_lists(self, ctx: click.Context, args: list[str]) -> list[str]:
        # click would take what follows as the list.
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
        ctx.params["asked"] = Asked(
            sandbox=ctx.params.pop("sandbox"),
            lists={right: given for right, given in lists.items() if given},
            file=ctx.params.pop("permissions"),
        )
        return super().invoke(ctx)


def is_option(argument: str) -> bool:
    """Whether an argument in front of everything else is one of these options."""
    return argument.startswith(("--sandbox", "--allow-", "--permissions"))
