"""Rules for test files: names of mocked activities, of counted activities and of started workflows."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field

from assay.checking import syntax
from assay.checking.body import Body
from assay.checking.findings import Finding, suggestion
from assay.checking.functions import Functions
from assay.checking.registered import SourceEnvironment, environments, workers
from assay.checking.rules import Names
from assay.errors import AssayError, DeniedError
from assay.libraries import LIBRARIES
from assay.permissions import Permissions, paths
from assay.temporal.worker.options import ALL_OTHERS
from assay.temporal.worker.registration import Script


@dataclass
class _Known:
    """Names that the script of an environment registers; `is_complete` is false if there may be others."""

    activities: set[str] = field(default_factory=set)
    workflows: set[str] = field(default_factory=set)
    is_complete: bool = True
    source: bytes = b""


async def check_environments(body: Body, functions: Functions, *, run: bool, permissions: Permissions) -> list[Finding]:
    """Check the environments of a test file.

    Args:
        body: Chunk of the test file.
        functions: Checker of functions.
        run: Run the scripts up to their workers.
        permissions: Permissions of the test file and the scripts.
    """
    findings: list[Finding] = []
    created = list(environments(body))
    if not created:
        return findings
    total = _Known()
    for environment in created:
        known = await _known(body, environment, run=run, permissions=permissions)
        findings += _unknown_mocks(body, environment, known)
        for node in environment.workflows.functions.values():
            if node is not None:
                findings += functions.entry(body, node, Names(set(), set()))
        total.activities |= known.activities | set(environment.activities.functions)
        total.workflows |= known.workflows | set(environment.workflows.functions)
        total.is_complete &= (
            known.is_complete and environment.activities.is_complete and environment.workflows.is_complete
        )
    if total.is_complete:
        findings += _unknown_names(body, total)
    return findings


async def _known(body: Body, environment: SourceEnvironment, *, run: bool, permissions: Permissions) -> _Known:
    if environment.script is None:
        return _Known(is_complete=environment.is_known)
    folder = os.path.dirname(body.file)
    path = os.path.join(folder, environment.script)
    source = _read(path, folder or ".", permissions)
    if source is None:
        return _Known(is_complete=False)
    if run:
        return await _run(path, source, permissions)
    known = _Known(source=source)
    for worker in workers(Body(path, source, syntax.parse(source), {}, body.globals)):
        known.activities |= set(worker.activities.functions)
        known.workflows |= set(worker.workflows.functions)
        known.is_complete &= worker.activities.is_complete and worker.workflows.is_complete
    return known


def _read(path: str, folder: str, permissions: Permissions) -> bytes | None:
    try:
        with paths.open(permissions.part_of(os.fsencode(path), [folder])) as file:
            source: bytes = file.read()
    except (OSError, DeniedError):
        return None
    return source


async def _run(path: str, source: bytes, permissions: Permissions) -> _Known:
    script = Script(path, LIBRARIES, permissions=permissions)
    known = _Known(source=source)
    try:
        await script.read()
    except AssayError:
        known.is_complete = False
    for worker in script.workers:
        workflows, activities = worker.options.titles()
        known.activities |= set(activities)
        known.workflows |= set(workflows)
    await script.close()
    known.is_complete &= bool(script.workers) and ALL_OTHERS not in known.activities | known.workflows
    return known


def _unknown_mocks(body: Body, environment: SourceEnvironment, known: _Known) -> Iterator[Finding]:
    """Find mocks of activities that the script neither registers nor mentions."""
    if environment.script is None or not known.is_complete:
        return
    for name, node in environment.activities.functions.items():
        is_mentioned = any(quote + name.encode() + quote in known.source for quote in (b'"', b"'"))
        if name not in known.activities and not is_mentioned:
            text = f"{environment.script} has no activity '{name}'" + suggestion(name, known.activities)
            place = environment.node if node is None else node
            yield Finding(body.file, syntax.line_of(place), "error", "activity", text)


def _unknown_names(body: Body, known: _Known) -> Iterator[Finding]:
    """Find names of activities and workflows that no environment has."""
    for call in syntax.method_calls(body.node):
        if call.method == "calls" and call.literal is not None and call.literal not in known.activities:
            text = f"there is no activity '{call.literal}'" + suggestion(call.literal, known.activities)
            yield Finding(body.file, call.line, "error", "activity", text)
        if call.method in ("execute", "start") and call.arguments:
            name = syntax.string_of(syntax.field(call.arguments[0], "workflow_type"))
            if name is not None and name not in known.workflows:
                text = f"there is no workflow '{name}'" + suggestion(name, known.workflows)
                yield Finding(body.file, call.line, "error", "workflow", text)
