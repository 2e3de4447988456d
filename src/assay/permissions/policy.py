"""The policy: the permissions of a script, and the checks that the host and the builtins make."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import IO, TYPE_CHECKING, Any, Literal

from assay.errors import DeniedError
from assay.permissions import paths
from assay.permissions.paths import Paths, RealPath

if TYPE_CHECKING:
    from assay.permissions.hosts import Hosts
    from assay.permissions.needs import Need, Needs, Right
    from assay.permissions.programs import Programs

Grant = bool | Sequence[str]
"""The whole right, nothing, or a list."""

_PROCESS_PREFIXES = ("ASSAY_", "DYLD_", "LD_", "OTEL_", "PG", "PYTHON", "SSL_CERT_", "SSLKEYLOG", "TEMPORAL_")
_PROCESS_NAMES = frozenset({"HOME", "HOSTALIASES", "LOCALDOMAIN", "PATH", "REQUEST_METHOD", "RES_OPTIONS", "TMPDIR"})
"""Variables that affect this process itself, such as the files that it reads and the servers that it connects to."""


_ACTIONS: dict[Right, str] = {
    "net": "connecting to other hosts",
    "read": "reading files",
    "write": "writing files",
    "env": "reading all environment variables",
    "run": "inspecting and signaling processes",
    "db": "connecting to databases",
    "temporal": "connecting to Temporal servers",
}
"""Descriptions of denied actions without a particular target."""


class Permissions:
    """The permissions of a script. An action that is not granted raises an error of kind "denied".

        assay.Permissions(net=["api.example.com:443"], read=["data"], env=True)

    Each right is `True` (everything), `False` (nothing) or a list: of hosts for `net`, `db` and `temporal` (`host`,
    `host:port`, `*.domain`, an address, a network such as `10.0.0.0/8`; for `db` also paths of unix sockets), of files
    and folders for `read` and `write`, of variables for `env` (`AWS_*`), of programs for `run`.
    """

    def __init__(
        self,
        *,
        net: Grant = False,
        read: Grant = False,
        write: Grant = False,
        env: Grant = False,
        run: Grant = False,
        db: Grant = False,
        temporal: Grant = False,
        folder: str | os.PathLike[str] = ".",
        settings: str | os.PathLike[str] | None = None,
    ) -> None:
        """Create a policy. Raises ValueError for an invalid entry.

        Args:
            net: Hosts to connect to, and addresses to listen on.
            read: Files and folders to read.
            write: Files and folders to write.
            env: Environment variables to read and set.
            run: Programs to run.
            db: Database servers to connect to.
            temporal: Temporal servers to connect to.
            folder: Folder that relative paths are resolved against.
            settings: File from which the policy was read; writing it is never allowed.
        """
        base = os.fspath(folder)
        self.restricts = True
        """False if everything is allowed, so that checks can be skipped."""
        self._net, self._db, self._temporal = _hosts(net), _hosts(db), _hosts(temporal)
        self._read, self._write = _paths(read, base), _paths(write, base)
        self._env: bool | frozenset[str] = env if isinstance(env, bool) else frozenset(_names(env))
        self._run = _programs(run, base)
        self._settings = None if settings is None else os.path.realpath(os.fsencode(settings))

    # The check of every call ---------------------------------------------------------------------------

    def admit(self, needs: Needs | None, names: Sequence[str], arguments: Sequence[Any]) -> list[Any]:
        """Check the needs of a call; returns its arguments, with paths replaced by the checked ones.

        `names` are the names of the arguments; `needs` is None for a builtin that declares none. Raises DeniedError.
        """
        if needs is None:
            raise DeniedError("calling a builtin that does not declare its needs")
        admitted = list(arguments)
        for need in needs:
            if need.argument is None:
                self._check_whole(need)
            else:
                at = names.index(need.argument)
                admitted[at] = self._admitted(need, admitted[at])
        return admitted

    def _check_whole(self, need: Need) -> None:
        grant = getattr(self, f"_{need.right}")
        if need.how == "in_builtin" or grant is True or (need.how == "any" and grant):
            return
        raise DeniedError(_ACTIONS[need.right], f"--allow-{need.right}")

    def _admitted(self, need: Need, value: Any) -> Any:
        if need.right == "read" or need.right == "write":
            return self.path(need.right, value, link=need.how == "link")
        if need.right == "env":
            self.check_variable(os.fsdecode(value), setting=need.how == "set")
        elif need.right == "net" or need.right == "temporal":
            self._check_url(need.right, value)
        return value

    # Files --------------------------------------------------------------------------------------------------

    def path(self, right: Literal["read", "write"], path: bytes, *, link: bool = False) -> bytes:
        """Resolve the links of a path and check it; returns the path to use instead. Raises DeniedError.

        `link`: the operation is on the link itself, so the last component is not resolved.
        """
        original = paths.given(path)
        if not self.restricts or not original:  # the system rejects an empty path
            return path
        if b"\0" in original:  # C functions would end the path there
            raise DeniedError("a path with a NUL byte")
        real = paths.resolve(original, link=link)
        if not self._may(right, real):
            shown = os.fsdecode(original)
            raise DeniedError(f"{'reading' if right == 'read' else 'writing'} {shown}", f"--allow-{right}={shown}")
        if right == "write" and paths.holds_settings(real, self._settings):
            raise DeniedError(f"writing {os.fsdecode(original)}, which can hold permissions,")
        return RealPath(real, original)

    def _may(self, right: Literal["read", "write"], real: bytes) -> bool:
        grant = self._read if right == "read" else self._write
        return paths.is_ordinary(real) if grant is True else grant is not False and grant.covers(real)

    def may_read(self, path: bytes) -> bool:
        """Return true if a path may be read, after its links are resolved."""
        return not self.restricts or self._may("read", paths.resolve(path))

    def part_of(self, path: bytes, folders: Sequence[str]) -> bytes:
        """Check a file of the program itself, which needs no right below `folders`. Raises DeniedError."""
        if not self.restricts:
            return path
        real = paths.resolve(path)
        return RealPath(real, path) if paths.is_within(real, folders) else self.path("read", path)

    def open(self, path: str | bytes) -> IO[bytes]:
        """Open a file to read its bytes. Raises DeniedError, and what `open` raises."""
        return paths.open(self.path("read", os.fsencode(path)))

    # Hosts --------------------------------------------------------------------------------------------------

    def check_host(
        self, right: Literal["net", "db", "temporal"], host: str, port: int, *, listen: bool = False
    ) -> None:
        """Check a host before its name is resolved or a connection is made or accepted. Raises DeniedError."""
        grant = self._net if right == "net" else self._db if right == "db" else self._temporal
        if grant is True or (grant is not False and grant.covers(host, port)):
            return
        from assay.permissions.hosts import place

        shown = place(host, port)
        action = f"listening on {shown}" if listen else f"connecting to {shown}"
        raise DeniedError(action, f"--allow-{right}={shown}")

    def admit_addresses(self, host: str, port: int, addresses: Sequence[str]) -> list[str]:
        """Return the addresses of a host name that `net` allows. A non-public address must itself be granted.

        Raises DeniedError if none is allowed.
        """
        grant = self._net
        if grant is True or not addresses:
            return list(addresses)
        from assay.permissions.hosts import as_address, is_public, place

        allowed = []
        for text in addresses:
            address = as_address(text)
            if address is None or grant is False:
                continue
            if is_public(address) or grant.covers_address(address, port):
                allowed.append(text)
        if not allowed:
            shown = place(addresses[0], port)
            raise DeniedError(
                f"connecting to {host}:{port}, whose address {addresses[0]} is not public,", f"--allow-net={shown}"
            )
        return allowed

    def check_socket(self, path: str) -> None:
        """Check the unix socket of a database before connecting. Raises DeniedError."""
        if self._db is True or (self._db is not False and self._db.covers_socket(path)):
            return
        raise DeniedError(f"connecting to {path}", f"--allow-db={path}")

    def _check_url(self, right: Literal["net", "temporal"], url: str) -> None:
        """Check a URL early; the connector checks every connection again. The builtin reports an invalid URL."""
        from urllib.parse import urlsplit

        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            return
        if host:
            secure = parts.scheme in ("https", "wss")
            self.check_host(right, host, port if port is not None else 443 if secure else 80)

    # Variables and programs ---------------------------------------------------------------------------------

    def check_variable(self, name: str, *, setting: bool = False) -> None:
        """Check an environment variable before it is read or set. Raises DeniedError.

        Variables that affect this process itself can only be set if the policy lists them.
        """
        if self._env is True:
            if not (setting and self.restricts and _affects_process(name)):
                return
        elif self._env is not False and any(_matches(granted, name) for granted in self._env):
            return
        raise DeniedError(f"{'setting' if setting else 'reading'} the variable {name}", f"--allow-env={name}")

    def argv(self, command: bytes, folder: bytes | None) -> list[bytes]:
        """Return the program and arguments to run for a shell command. Raises DeniedError.

        If the policy lists programs, a plain command runs without a shell, because a shell can run any program.
        """
        from assay.permissions.programs import SHELL, plain_words

        grant = self._run
        if grant is True or (grant is not False and grant.has_shell):
            return [SHELL.encode(), b"-c", command]
        text = os.fsdecode(command)
        argv = grant.argv(text, os.fsdecode(folder or b".")) if grant is not False else None
        if argv is None:
            words = plain_words(text)
            program = words[0] if words is not None else "sh"
            target = "a command that needs the shell" if words is None else program
            raise DeniedError(f"running {target}", f"--allow-run={program}")
        return [os.fsencode(word) for word in argv]

    def check_preload(self, names: Sequence[str]) -> None:
        """Check that no variable makes a program load foreign code. Raises DeniedError."""
        for name in names:
            if self._run is not True and name.startswith(("LD_", "DYLD_")):
                raise DeniedError(f"running a program with the variable {name}", "--allow-run")


def _names(given: Sequence[str]) -> Sequence[str]:
    if isinstance(given, str) or not all(isinstance(name, str) and name for name in given):
        raise ValueError("expected True, False or a list of non-empty names")
    return given


def _hosts(given: Grant) -> bool | Hosts:
    if isinstance(given, bool):
        return given
    from assay.permissions.hosts import Hosts

    return Hosts(_names(given))


def _paths(given: Grant, folder: str) -> bool | Paths:
    return given if isinstance(given, bool) else Paths(_names(given), folder)


def _programs(given: Grant, folder: str) -> bool | Programs:
    if isinstance(given, bool):
        return given
    from assay.permissions.programs import Programs

    return Programs(_names(given), folder)


def _affects_process(name: str) -> bool:
    return name.startswith(_PROCESS_PREFIXES) or name in _PROCESS_NAMES or name.lower().endswith("_proxy")


def _matches(granted: str, name: str) -> bool:
    return name.startswith(granted[:-1]) if granted.endswith("*") else name == granted


def _everything() -> Permissions:
    permissions = Permissions(net=True, read=True, write=True, env=True, run=True, db=True, temporal=True)
    permissions.restricts = False
    return permissions


EVERYTHING = _everything()
"""The policy of a trusted script: nothing is denied."""
