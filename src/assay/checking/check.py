"""The check of a script, with its modules: run it as far as its worker, or only read its source."""

from __future__ import annotations

import os.path
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from assay.checking import keywords, names, signals, syntax
from assay.checking.body import Body
from assay.checking.environments import check_environments
from assay.checking.findings import Finding, sort_key
from assay.checking.functions import Functions
from assay.checking.registered import Entries, workers
from assay.checking.rules import Names
from assay.checking.scopes import scopes_of
from assay.checking.signals import Mention
from assay.errors import AssayError, DeniedError, LuaError, LuaSyntaxError
from assay.libraries import LIBRARIES
from assay.lua.loader import Finder
from assay.permissions import EVERYTHING, Permissions
from assay.temporal.worker.registration import Script

_POSITION = re.compile(r"^(.+?):(\d+): (.*)$", re.DOTALL)
_FRAME = re.compile(r"^\t(.+?):(\d+): ", re.MULTILINE)
_TESTS = "_test.lua"


@dataclass
class Registered:
    """What one worker of a script registers."""

    task_queue: str
    workflows: list[str]
    activities: list[str]
    nexus_services: list[str]


@dataclass
class Report:
    """The results of a check of one script."""

    workers: list[Registered] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    is_test: bool = False
    waits: list[Mention] = field(default_factory=list)
    sends: list[Mention] = field(default_factory=list)

    @property
    def has_errors(self) -> bool:
        """Return true if there is more than warnings."""
        return any(finding.level == "error" for finding in self.findings)

    def add(self, findings: Iterable[Finding]) -> None:
        """Add findings, but for what is known of the same line and rule."""
        known = {(finding.file, finding.line, finding.rule) for finding in self.findings}
        self.findings += [item for item in findings if (item.file, item.line, item.rule) not in known]


async def check_scripts(
    paths: Sequence[str], *, run: bool = True, policy: Callable[[str], Permissions] = lambda path: EVERYTHING
) -> dict[str, Report]:
    """Check scripts, alone and together. Raises AssayError when one cannot be read.

    Args:
        paths: The scripts and test files.
        run: Run the scripts as far as their workers; else look at the source alone.
        policy: Return what a script may do.
    """
    reports = {path: await check_script(path, run=run, permissions=policy(path)) for path in paths}
    sent = [mention for report in reports.values() for mention in report.sends]
    for report in reports.values():
        report.findings += signals.find_unsent(report.waits, sent, files=len(reports))
        report.findings = sorted(set(report.findings), key=sort_key)
    return reports


async def check_script(
    path: str, arguments: Sequence[str] = (), *, run: bool = True, permissions: Permissions = EVERYTHING
) -> Report:
    """Check a script. Raises AssayError when it cannot be read.

    Args:
        path: The script, or a test file: that one is never run.
        arguments: What the script finds in `arg`.
        run: Run the script as far as its worker; else look at the source alone.
        permissions: What the script may do.
    """
    source = _read(path)
    script = Script(path, LIBRARIES, permissions=permissions)
    functions = Functions(script)
    report = Report(is_test=path.endswith(_TESTS))
    try:
        try:
            script.load(source, path)
        except LuaSyntaxError as error:
            report.findings.append(_of_syntax_error(path, source, error))
            return report
        failure = None
        if run and not report.is_test:
            failure = await _run(script, arguments)
        sources = {path: source, **_modules(path, source, permissions)}
        for text in sources.values():
            functions.globals.assigned |= scopes_of(text).assigned_globals
        bodies = [Body(file, text, syntax.parse(text), {}, functions.globals) for file, text in sources.items()]
        if run and not report.is_test:
            _add_workers(report, script, functions)
        else:
            _add_source_workers(report, bodies[0], functions)
        for body in bodies:
            if report.is_test:
                functions.globals.assigned.add("test")
            report.add(_everywhere(body))
            report.waits += signals.waits(body)
            report.sends += signals.sends(body)
        if report.is_test:
            report.findings += await check_environments(bodies[0], functions, run=run, permissions=permissions)
        if failure is not None:
            _add_failure(report, path, failure)
    finally:
        await script.close()
    return report


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise AssayError(f"cannot read {path}: {error.strerror}") from error


async def _run(script: Script, arguments: Sequence[str]) -> LuaError | None:
    try:
        await script.read(arguments)
    except LuaError as error:
        return error
    return None


def _modules(path: str, source: bytes, permissions: Permissions) -> dict[str, bytes]:
    """The sources of the modules that a script requires by name, and that are in its folder."""
    folder = os.path.dirname(path) or "."
    find, found, waiting = Finder(folder, permissions), dict[str, bytes](), [source]
    while waiting:
        for node in syntax.descendants(syntax.parse(waiting.pop())):
            called = node.child_by_field_name("name") if node.type == "function_call" else None
            given = syntax.arguments(node) if called is not None and syntax.text_of(called) == "require" else []
            name = syntax.string_of(given[0]) if given else None
            try:
                outcome = find(name, find.path, False) if name is not None else (b"missing",)
            except DeniedError:
                continue
            if outcome[0] == b"source":
                module = os.path.normpath(os.fsdecode(outcome[2])) if folder == "." else os.fsdecode(outcome[2])
                if os.path.abspath(module).startswith(os.path.abspath(folder) + os.sep) and module not in found:
                    found[module] = outcome[1]
                    waiting.append(outcome[1])
    return found


def _everywhere(body: Body) -> Iterator[Finding]:
    """The faults of a whole chunk."""
    yield from names.find_undefined(body)
    yield from names.find_absent(body, in_workflow=False)
    yield from names.find_early_calls(body)


def _add_workers(report: Report, script: Script, functions: Functions) -> None:
    for worker in script.workers:
        options = worker.options
        report.workers.append(Registered(options.task_queue, *options.titles(), sorted(options.nexus_services)))
        report.findings += functions.worker(worker)


def _add_source_workers(report: Report, body: Body, functions: Functions) -> None:
    for worker in workers(body):
        groups = (worker.workflows, worker.activities, worker.nexus_services)
        report.workers.append(Registered(worker.task_queue, *(sorted(group.functions) for group in groups)))
        registered = Names(_known(worker.activities), _known(worker.workflows))
        for group, known in ((worker.workflows, registered), (worker.activities, None)):
            for node in group.functions.values():
                if node is not None:
                    report.findings += functions.entry(body, node, known)


def _known(entries: Entries) -> set[str]:
    return set(entries.functions) if entries.is_complete else set()


def _of_syntax_error(path: str, source: bytes, error: LuaSyntaxError) -> Finding:
    line, message = _split(error) or (0, error.message)
    hint = keywords.hint(source, line, message)
    if hint is not None:
        line, message = hint[0], f"{message}; {hint[1]}"
    return Finding(path, line, "error", "syntax", message)


def _split(error: LuaError) -> tuple[int, str] | None:
    found = _POSITION.match(error.message)
    return (int(found[2]), found[3]) if found is not None else None


def _add_failure(report: Report, path: str, error: LuaError) -> None:
    """Add an error of the main chunk, unless a rule has explained it."""
    file, line, message = path, 0, error.message
    found = _POSITION.match(error.message)
    frame = _FRAME.search(error.traceback)
    if found is not None and os.path.isfile(found[1]):
        file, line, message = found[1], int(found[2]), found[3]
    elif frame is not None and os.path.isfile(frame[1]):
        file, line = frame[1], int(frame[2])
    is_explained = any(
        (item.file, item.line) == (file, line) and item.level == "error" and item.rule in ("undefined", "absent")
        for item in report.findings
    )
    if not is_explained:
        report.findings.append(Finding(file, line, "error", "script", message))
