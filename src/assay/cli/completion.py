"""`assay completion`: shell scripts that complete commands, options and files."""

from __future__ import annotations

from typing import Any

import click
from click.shell_completion import BashComplete, CompletionItem, FishComplete, ShellComplete, ZshComplete

VARIABLE = "_ASSAY_COMPLETE"
"""Environment variable with which a shell requests completions. click derives it from the name of the command."""


class _Files(ShellComplete):
    """Completes files where click has no completions."""

    def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem]:
        """Return the completions of an argument."""
        items = super().get_completions(args, incomplete)
        if incomplete.startswith("-") or (items and args):
            return items
        return [*items, CompletionItem(incomplete, type="file")]


class _Bash(_Files, BashComplete):
    # click's template drops the other completions when there are files.
    source_template = """\
%(complete_func)s() {
    local IFS=$'\\n' completion kind value
    COMPREPLY=()
    for completion in $(env COMP_WORDS="${COMP_WORDS[*]}" COMP_CWORD=$COMP_CWORD \\
        %(complete_var)s=bash_complete "$1"); do
        IFS=',' read -r kind value <<< "$completion"
        if [[ $kind == plain ]]; then
            COMPREPLY+=("$value")
        else
            compopt -o filenames
            COMPREPLY+=($(compgen -f -- "$value"))
        fi
    done
}
complete -o nosort -F %(complete_func)s %(prog_name)s
"""

    @staticmethod
    def _check_version() -> None:
        """Skip click's version check, which runs bash: the script works with 4.4."""


class _Zsh(_Files, ZshComplete):
    pass


class _Fish(_Files, FishComplete):
    pass


SHELLS: dict[str, type[ShellComplete]] = {"bash": _Bash, "zsh": _Zsh, "fish": _Fish}


def complete(group: click.Command, instruction: str) -> int:
    """Print completions for a shell and return the exit code."""
    shell, _, action = instruction.partition("_")
    if shell not in SHELLS or action != "complete":
        return 1
    click.echo(_completer(shell, group).complete())
    return 0


def _completer(shell: str, group: Any) -> ShellComplete:
    return SHELLS[shell](group, {}, "assay", VARIABLE)


@click.command(short_help="Print a script that completes commands and files in a shell.")
@click.argument("shell", type=click.Choice(list(SHELLS)))
def command(shell: str) -> None:
    """Print a script for SHELL that completes commands, options and files.

    \b
    bash: echo 'eval "$(assay completion bash)"' >> ~/.bashrc
    zsh:  echo 'eval "$(assay completion zsh)"' >> ~/.zshrc
    fish: assay completion fish > ~/.config/fish/completions/assay.fish
    """  # noqa: D301 click keeps the line breaks after \b
    click.echo(_completer(shell, click.get_current_context().find_root().command).source())
