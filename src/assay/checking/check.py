"""Check of a script and its modules, after running it up to its worker, or from its source alone."""

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
    """The names that one worker of a script registers."""

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
        """True if there are findings other than warnings."""
        return any(finding.level == "error" for finding in self.findings)

    def add(self, findings: Iterable[Finding]) -> None:
        """Add findings, except those for a line and rule that already have one."""
        known = {(finding.file, finding.line, finding.rule) for finding in self.findings}
        self.findings += [item for item in findings if (item.file, item.line, item.rule) not in known]


async def check_scripts(
    paths: Sequence[str], *, run: bool = True, policy: Callable[[str], Permissions] = lambda path: EVERYTHING
) -> dict[str, Report]:
    """Check scripts, each by itself and all together. Raises AssayError when one cannot be read.

    Args:
        paths: Scripts and test files.
        run: Run the scripts up to their workers; otherwise check the source alone.
        policy: Returns the permissions of a script.
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
    """Check one script. Raises AssayError when it cannot be read.

    Args:
        path: Script or test file; test files are never run.
        arguments: Arguments of the script, in `arg`.
        run: Run the script up to its worker; otherwise check the source alone.
        permissions: Permissions of the script.
    """
    source = _read(path)
    script = Script(path, LIBRARIES, permissions=permissions)
    functions = Functions(script)
    report = Report(is_test=path.endswith(_TESTS))
    try:
        try:
            script.load(source, path)
        except LuaSyntaxError as error:
            report.findings.append(_syntax_finding(path, source, error))
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
            report.add(_chunk_findings(body))
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
    """Return the sources of the modules in the script's folder that it requires by literal name."""
    folder = os.path.dirname(path) or "."
    find, sources, pending = Finder(folder, permissions), dict[str, bytes](), [source]
    while pending:
        for node in syntax.descendants(syntax.parse(pending.pop())):
            called = node.child_by_field_name("name") if node.type == "function_call" else None
            arguments = syntax.arguments(node) if called is not None and syntax.text_of(called) == "require" else []
            name = syntax.string_of(arguments[0]) if arguments else None
            try:
                outcome = find(name, find.path, False) if name is not None else (b"missing",)
            except DeniedError:
                continue
            if outcome[0] == b"source":
                module = os.path.normpath(os.fsdecode(outcome[2])) if folder == "." else os.fsdecode(outcome[2])
                if os.path.abspath(module).startswith(os.path.abspath(folder) + os.sep) and module not in sources:
                    sources[module] = outcome[1]
                    pending.append(outcome[1])
    return sources


def _chunk_findings(body: Body) -> Iterator[Finding]:
    """Apply the rules that hold for all code of a chunk."""
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


def _syntax_finding(path: str, source: bytes, error: LuaSyntaxError) -> Finding:
    line, message = _split(error) or (0, error.message)
    hint = keywords.hint(source, line, message)
    if hint is not None:
        line, message = hint[0], f"{message}; {hint[1]}"
    return Finding(path, line, "error", "syntax", message)


def _split(error: LuaError) -> tuple[int, str] | None:
    match = _POSITION.match(error.message)
    return (int(match[2]), match[3]) if match is not None else None


def _add_failure(report: Report, path: str, error: LuaError) -> None:
    """Add an error of the main chunk, unless a finding already explains it."""
    file, line, message = path, 0, error.message
    match = _POSITION.match(error.message)
    frame = _FRAME.search(error.traceback)
    if match is not None and os.path.isfile(match[1]):
        file, line, message = match[1], int(match[2]), match[3]
    elif frame is not None and os.path.isfile(frame[1]):
        file, line = frame[1], int(frame[2])
    is_explained = any(
        (item.file, item.line) == (file, line) and item.level == "error" and item.rule in ("undefined", "absent")
        for item in report.findings
    )
    if not is_explained:
        report.findings.append(Finding(file, line, "error", "script", message))
