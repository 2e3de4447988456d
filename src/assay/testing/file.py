"""The process of a test file: `python -m assay.testing.file SETTINGS`, where SETTINGS is a JSON object.

The process reports each test as a line of JSON on standard output when the test ends. All output of the tests goes to
standard error, which is a file; each report contains the number of bytes that have been written to it.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import signal
import sys
import time
from collections.abc import Coroutine
from typing import IO, Any

from assay.errors import AssayError, LuaError
from assay.lua.function import LuaFunction
from assay.permissions.settings import SandboxOptions, permissions
from assay.testing.explore_options import Exploration
from assay.testing.host import TestHost


class FileRun:
    """A run of a test file."""

    def __init__(self, settings: dict[str, Any], report: IO[str]) -> None:
        self._path: str = settings["path"]
        self._filter: str = settings.get("filter") or ""
        self._timeout: float = settings["timeout"]
        self._report = report
        self._coverage: bool = settings["coverage"]
        self._explore: dict[str, Any] = settings.get("explore") or {}
        """Options of explorations: `count`, `seed`, `schedule`, and `test`, the name of the only exploration to run."""
        file_permissions = permissions(
            SandboxOptions.from_options(settings["options"])[0], os.path.dirname(self._path) or "."
        )
        self._host = TestHost(
            self._path, lambda text: os.write(1, text), coverage=self._coverage, permissions=file_permissions
        )

    def _report_event(self, **fields: Any) -> None:
        sys.stdout.flush()  # the output so far belongs to this report
        sys.stderr.flush()
        written = os.fstat(1).st_size
        self._report.write(json.dumps({**fields, "written": written}) + "\n")
        self._report.flush()

    async def run(self) -> None:
        """Run the file's tests."""
        host = self._host
        try:
            with open(self._path, "rb") as file:  # noqa: ASYNC230 a script is a short local file
                source = file.read()
            host.set_arguments(os.fsencode(self._path))
            await host.run(host.load(source, self._path), ())
        except LuaError as error:
            self._report_event(event="broken", message=error.message, traceback=error.traceback)
        except OSError as error:
            self._report_event(event="broken", message=f"cannot read {self._path}: {error.strerror}", traceback="")
        except SystemExit:
            self._report_event(event="broken", message="os.exit ended the test file", traceback="")
        else:
            selected = {name: fn for name, fn in host.tests.items() if self._is_selected(name, fn)}
            self._report_event(event="found", count=len(selected), filtered=len(host.tests) - len(selected))
            for name, function in selected.items():
                if not await self._run_test(name, function):
                    break
        if host.server is not None:
            await host.server.stop()
        if self._coverage:
            from assay.testing import coverage

            files = coverage.collect(host.state, self._path)
            self._report_event(event="coverage", files=coverage.as_json(files))
        self._report_event(event="end")

    def _is_selected(self, name: str, test: LuaFunction | Exploration) -> bool:
        if "test" in self._explore:
            return bool(name == self._explore["test"])
        return self._filter in name and (not self._explore or isinstance(test, Exploration))

    async def _run_exploration(self, exploration: Exploration) -> None:
        """Run an exploration."""
        from assay.testing import explore, schedules

        self._report_event(event="test", name=exploration.name)
        self._host.running = exploration.name
        began = time.monotonic()
        options = explore.SearchOptions(**{name: value for name, value in self._explore.items() if name != "test"})
        try:
            result = await explore.explore(self._host, exploration, options)
        except LuaError as error:
            result = explore.ExplorationResult(error.message, error.traceback, [], [], {})
        except (AssayError, OSError) as error:
            result = explore.ExplorationResult(str(error), "", [], [], {})
        self._host.running = None
        notes = result.notes
        if result.message and result.timelines:
            folder, name = self._host.folder, exploration.name
            try:
                if options.schedule is None:
                    path = schedules.write_schedule(
                        folder, self._path, name, options.seed, result.message, result.events
                    )
                    notes.append(f"run it again: assay test --schedule {path}")
                path = schedules.write_histories(folder, name, result.histories)
                notes.append(f"step through it: replay {path} in the debugger")
            except OSError as error:
                notes.append(f"cannot write the schedule: {error.strerror}")
        self._report_event(
            event="result",
            name=exploration.name,
            message=result.message,
            traceback=result.traceback,
            seconds=time.monotonic() - began,
            notes=notes,
            timelines=[dataclasses.asdict(item) for item in result.timelines],
            schedule=result.events,
        )

    async def _run_test(self, name: str, function: LuaFunction | Exploration) -> bool:
        """Run a test; return false if the remaining tests must not run."""
        if isinstance(function, Exploration):
            await self._run_exploration(function)
            return True
        host = self._host
        host.running = name
        self._report_event(event="test", name=name)
        message, traceback = "", ""
        began = time.monotonic()
        exited = False
        ending = host.ending = asyncio.get_running_loop().create_future()
        running = asyncio.ensure_future(_until_exit(host.run(function, ())))
        await asyncio.wait((running, ending), timeout=self._timeout, return_when=asyncio.FIRST_COMPLETED)
        try:
            if running.done():
                exited = running.result()
            else:
                message = ending.result() if ending.done() else f"the test timed out after {self._timeout:g} s"
                traceback = "\n".join(place for item in host.environments for place in item.tracebacks())
                running.cancel()
                await asyncio.wait((running,))
        except LuaError as error:
            message, traceback = error.message, error.traceback
        if exited:
            message = "os.exit ended the test file"
        try:
            problem = await self._close_environments()
            if problem and not message:
                message, traceback = problem
        except AssayError as error:
            message = message or str(error)
        host.running = None
        if message and host.server is not None:
            # A workflow task that never completed stops the server from skipping time, even after its run has ended.
            await host.server.stop()
            host.server = None
        self._report_event(
            event="result",
            name=name,
            message=message,
            traceback=traceback,
            seconds=time.monotonic() - began,
        )
        return not exited

    async def _close_environments(self) -> tuple[str, str] | None:
        """Close the environments and replay their runs; return the message and the details of the first problem."""
        from assay.temporal.replay.show import show

        problem = None
        while self._host.environments:
            environment = self._host.environments.pop(0)
            await environment.close()
            if unused := environment.unused_mocks():
                problem = problem or ("\n".join(unused), "")
            for result in await environment.mismatches():
                assert result.divergence is not None
                reason = "is not deterministic: its replay does not match its history"
                if result.divergence.is_task_failure:
                    reason = "cannot continue: its workflow task fails, also in a replay"
                problem = problem or (f"workflow '{result.workflow_type}' {reason}", show(result.divergence))
        return problem


async def _until_exit(test: Coroutine[Any, Any, object]) -> bool:
    """Run a test; return true if it called `os.exit`, whose SystemExit would stop the event loop."""
    try:
        await test
    except SystemExit:
        return True
    return False


def main(settings: dict[str, Any]) -> None:
    """Run a file and end the process."""
    report = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    # This process and the test server, its child, are in a separate process group.
    signal.signal(signal.SIGTERM, lambda number, frame: os.killpg(0, signal.SIGKILL))
    asyncio.run(FileRun(settings, report).run())
    report.close()
    os._exit(0)  # skip the interpreter's shutdown, in which the SDK can crash


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
