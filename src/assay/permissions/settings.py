"""Reading a policy from command-line options and from the table `[permissions]` of `assay.toml`."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from assay.errors import AssayError
from assay.permissions.needs import RIGHTS
from assay.permissions.paths import SETTINGS_FILE
from assay.permissions.policy import EVERYTHING, Grant, Permissions

ALL = "*"
"""Value of an option without a list, which grants the whole right."""


@dataclass(frozen=True)
class SandboxOptions:
    """Permission options of the command line: `--sandbox`, `--allow-…` and `--permissions`.

    Attributes:
        sandbox: Refuse everything that is not granted.
        lists: Values of the `--allow-` options, by right: comma-separated names, or `ALL`.
        file: File with the table [permissions] [assay.toml next to the script].
    """

    sandbox: bool = False
    lists: Mapping[str, Sequence[str]] = field(default_factory=dict)
    file: str | None = None

    @classmethod
    def from_options(cls, options: Sequence[str]) -> tuple[SandboxOptions, list[str]]:
        """Parse the output of `options`; returns the arguments that follow, too."""
        rest, sandbox, file = list(options), False, None
        lists: dict[str, list[str]] = {}
        while rest:
            name, has_list, value = rest[0].partition("=")
            if name == "--sandbox":
                sandbox = True
            elif name == "--permissions":
                file = value
            elif name.startswith("--allow-"):
                lists.setdefault(name.removeprefix("--allow-"), []).append(value if has_list else ALL)
            else:
                break
            del rest[0]
        return cls(sandbox, lists, file), rest

    def options(self) -> list[str]:
        """Return the options for the command line of another process."""
        given = ["--sandbox"] * self.sandbox
        given += [f"--permissions={self.file}"] if self.file is not None else []
        return given + [f"--allow-{right}={names}" for right, lists in self.lists.items() for names in lists]


def permissions(options: SandboxOptions | None, folder: str) -> Permissions:
    """Return the policy of a script in `folder`. Raises AssayError for an invalid table or option.

    Without options and without a table everything is allowed. The options extend the grants of the table.
    """
    options = options or SandboxOptions()
    path = os.path.join(folder, SETTINGS_FILE) if options.file is None else options.file
    table = _table(path, options.file is not None)
    if table is None and not (options.sandbox or options.lists or options.file is not None):
        return EVERYTHING
    grants = _of_table(table or {}, path)
    for right, lists in options.lists.items():
        grants[right] = _of_option(right, lists, grants.get(right, False))
    try:
        return Permissions(**grants, settings=path)
    except ValueError as error:
        raise AssayError(f"permissions: {error}") from None


def _table(path: str, is_named: bool) -> Mapping[str, Any] | None:
    try:
        with open(path, "rb") as file:
            text = file.read()
    except OSError as error:
        if not is_named and isinstance(error, FileNotFoundError | NotADirectoryError):
            return None
        raise AssayError(f"cannot read {path}: {error.strerror}") from None
    import tomllib

    try:
        table = tomllib.loads(text.decode()).get("permissions")
    except ValueError as error:
        raise AssayError(f"{path}: {error}") from None
    if table is not None and not isinstance(table, dict):
        raise AssayError(f"{path}: 'permissions' must be a table")
    return table


def _of_table(table: Mapping[str, Any], path: str) -> dict[str, Any]:
    base = os.path.dirname(path) or "."
    grants: dict[str, Any] = {}
    for right, value in table.items():
        if right not in RIGHTS:
            raise AssayError(f"{path}: unknown permission '{right}' (known: {', '.join(RIGHTS)})")
        if isinstance(value, bool):
            grants[right] = value
        elif isinstance(value, list) and all(isinstance(name, str) and name for name in value):
            grants[right] = [_seen_from(base, right, name) for name in value]
        else:
            raise AssayError(f"{path}: permissions.{right} must be true, false or an array of non-empty strings")
    return grants


def _seen_from(base: str, right: str, name: str) -> str:
    """Return an entry of the table, resolving paths against the file's folder."""
    if right in ("read", "write") or (right == "run" and "/" in name):
        return os.path.join(base, os.path.expanduser(name))
    return name


def _of_option(right: str, lists: Sequence[str], granted: Grant) -> Grant:
    names = [name for text in lists for name in text.split(",")]
    if not all(names):
        raise AssayError(f"--allow-{right}: expected comma-separated names after '='")
    if ALL in names or granted is True:
        return True
    return [*(granted if not isinstance(granted, bool) else ()), *names]
