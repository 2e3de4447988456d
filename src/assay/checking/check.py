"""The check of a script: read it, then look at each workflow and activity and at what they call."""

from __future__ import annotations

import os.path
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from assay.checking import rules
from assay.checking.rules import Body, Finding, Kind, Names
from assay.checking.tokens import Token, function_body, tokenize
from assay.errors import LuaError
from assay.lua import values
from assay.lua.host import Host
from assay.permissions import EVERYTHING, Permissions
from assay.temporal.registration import Script
from assay.temporal.worker import Worker

_INSPECT = os.path.join(os.path.dirname(__file__), "inspect")
_POSITION = re.compile(r"^(.+?):(\d+): (.*)$", re.DOTALL)


@dataclass
class Registered:
    """What one worker of a script registers."""

    task_queue: str
    workflows: list[str]
    activities: list[str]
    nexus_services: list[str]


@dataclass
class Report:
    """What was found."""

    workers: list[Registered] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    @property
    def has_errors(self) -> bool:
        """Whether there is more than warnings."""
        return any(finding.level == "error" for finding in self.findings)


async def check_script(path: str, arguments: Sequence[str] = (), permissions: Permissions = EVERYTHING) -> Report:
    """Check a script. Raises AssayError when it cannot be read."""
    report = Report()
    script = Script(path, permissions=permissions)
    try:
        await script.read(arguments)
    except LuaError as error:
        report.findings.append(_of_error(path, error))
    check = Check(script)
    for worker in script.workers:
        options = worker.options
        report.workers.append(Registered(options.task_queue, *options.titles(), sorted(options.nexus_services)))
        report.findings += check.worker(worker)
    report.findings = sorted(set(report.findings), key=lambda finding: (finding.file, finding.line, finding.message))
    await script.close()
    return report


def _of_error(path: str, error: LuaError) -> Finding:
    found = _POSITION.match(error.message)
    if found is None:
        return Finding(path, 0, "error", "script", error.message)
    return Finding(found[1], int(found[2]), "error", "script", found[3])


class Check:
    """The functions of a script's workers."""

    def __init__(self, host: Host) -> None:
        """`host` has the script's functions."""
        self._state = host.state
        self._state.add_part(_INSPECT)
        self._seen: set[tuple[str, int, int]] = set()

    def worker(self, worker: Worker) -> Iterator[Finding]:
        """Look at every workflow and activity of a worker, which need not have started."""
        self._seen.clear()
        worker.snapshots()  # as a worker would; from then on Lua's own functions have their names
        options = worker.options
        names = Names(
            set() if options.dynamic_activity is not None else set(options.activities),
            set() if options.dynamic_workflow is not None else set(options.workflows),
        )
        for _, workflow in options.all_workflows():
            yield from self._function(workflow.run.id, names, 0)
        for _, activity in options.all_activities():
            yield from self._function(activity.run.id, None, None)

    def _function(self, identity: int, names: Names | None, context_at: int | None) -> Iterator[Finding]:
        """Look at a function and at what it calls.

        `context_at` is the index of its parameter that gets the `ctx`; `names` are None for an activity, which may do
        whatever a script may.
        """
        source, first, last, captured = values.decode(self._state.invoke(b"inspect", identity), ())
        if not source.startswith("@") or (source, first, last) in self._seen:
            return
        self._seen.add((source, first, last))
        tokens = function_body(_tokens(source[1:]), first, last)
        if tokens is None:
            return
        parameters = rules.parameters(tokens)
        context = parameters[context_at] if context_at is not None and context_at < len(parameters) else "ctx"
        body = Body(source[1:], tokens, _kinds(captured), self._global, self._has_module, self._members, context)
        yield from rules.find_absent(body, in_workflow=names is not None)
        if names is not None:
            yield from rules.find_io(body)
            yield from rules.find_modules(body)
            yield from rules.find_foreign(body)
            yield from rules.find_dot_calls(body)
            yield from rules.find_bad_calls(body, names)
            yield from rules.find_unused_futures(body)
        for called, position in self._called(body):
            yield from self._function(called, names, position)

    def _global(self, name: str) -> Kind:
        return _kind(values.decode(self._state.invoke(b"inspect_global", name.encode()), ()))

    def _has_module(self, name: str) -> bool:
        found: bool = self._state.invoke(b"has_module", name.encode())
        return found

    def _members(self, library: str) -> list[str]:
        names: bytes = self._state.invoke(b"inspect_library", library.encode())
        return names.decode().split()

    def _called(self, body: Body) -> Iterator[tuple[int, int | None]]:
        """The functions that are called, and which of their arguments is the `ctx`."""
        declared = body.declared
        for call in rules.calls(body):
            kind, value = body.resolve(call.path, declared)
            if kind == "function":
                given = [[token.text for token in argument] for argument in call.arguments]
                yield value, given.index([body.context]) if [body.context] in given else None


def _kind(described: list[Any]) -> Kind:
    kind, value = (*described, None)[:2]
    return (kind, _kinds(value)) if kind == "table" else (kind, value)


def _kinds(described: Any) -> dict[str, Kind]:
    return {name: _kind(item) for name, item in described.items()} if isinstance(described, dict) else {}


@lru_cache(maxsize=64)
def _tokens(path: str) -> list[Token]:
    try:
        with open(path, "rb") as file:
            return tokenize(file.read())
    except OSError:
        return []
