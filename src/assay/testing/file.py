"""One test file in a process of its own: `python -m assay.testing.file SETTINGS`, a JSON object.

Each test is reported as a line of JSON on standard output as soon as it has ended. What the tests themselves write, on
both streams, goes to standard error, which is a file: each report says how much of it had been written by then.
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


class File:
    """The run of one file."""

    def __init__(self, settings: dict[str, Any], report: IO[str]) -> None:
        self._path: str = settings["path"]
        self._filter: str = settings.get("filter") or ""
        self._timeout: float = settings["timeout"]
        self._report = report
        self._coverage: bool = settings["coverage"]
        self._explore: dict[str, Any] = settings.get("explore") or {}
        """What is asked of explorations: `count`, `seed`, `schedule`, and `test`, the name of the only one to run."""
        allowed = permissions(SandboxOptions.from_options(settings["options"])[0], os.path.dirname(self._path) or ".")
        self._host = TestHost(self._path, lambda text: os.write(1, text), coverage=self._coverage, permissions=allowed)

    def _report_event(self, **fields: Any) -> None:
        sys.stdout.flush()  # what was written belongs to this report
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
            self._report_event(event="broken", message="os.exit ends the whole file", traceback="")
        else:
            chosen = {name: fn for name, fn in host.tests.items() if self._is_chosen(name, fn)}
            self._report_event(event="found", count=len(chosen), filtered=len(host.tests) - len(chosen))
            for name, function in chosen.items():
                if not await self._test(name, function):
                    break
        if host.server is not None:
            await host.server.stop()
        if self._coverage:
            from assay.testing import coverage

            found = coverage.collect(host.state, self._path)
            self._report_event(event="coverage", files=coverage.as_json(found))
        self._report_event(event="end")

    def _is_chosen(self, name: str, test: LuaFunction | Exploration) -> bool:
        if "test" in self._explore:
            return bool(name == self._explore["test"])
        return self._filter in name and (not self._explore or isinstance(test, Exploration))

    async def _explored(self, exploration: Exploration) -> None:
        """Run an exploration."""
        from assay.testing import explore, schedules

        self._report_event(event="test", name=exploration.name)
        self._host.running = exploration.name
        began = time.monotonic()
        asked = explore.Asked(**{name: value for name, value in self._explore.items() if name != "test"})
        try:
            outcome = await explore.explore(self._host, exploration, asked)
        except LuaError as error:
            outcome = explore.Outcome(error.message, error.traceback, [], [], {})
        except (AssayError, OSError) as error:
            outcome = explore.Outcome(str(error), "", [], [], {})
        self._host.running = None
        notes = outcome.notes
        if outcome.message and outcome.timelines:
            folder, name = self._host.folder, exploration.name
            try:
                if asked.schedule is None:
                    path = schedules.write_schedule(
                        folder, self._path, name, asked.seed, outcome.message, outcome.events
                    )
                    notes.append(f"run it again: assay test --schedule {path}")
                path = schedules.write_histories(folder, name, outcome.histories)
                notes.append(f"step through it: a replay of {path} in the debugger")
            except OSError as error:
                notes.append(f"the schedule cannot be written: {error.strerror}")
        self._report_event(
            event="result",
            name=exploration.name,
            message=outcome.message,
            traceback=outcome.traceback,
            seconds=time.monotonic() - began,
            notes=notes,
            timelines=[dataclasses.asdict(item) for item in outcome.timelines],
            schedule=outcome.events,
        )

    async def _test(self, name: str, function: LuaFunction | Exploration) -> bool:
        """Run a test; returns whether the next one may run."""
        if isinstance(function, Exploration):
            await self._explored(function)
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
                message = ending.result() if ending.done() else f"the test has not ended within {self._timeout:g} s"
                traceback = "\n".join(place for item in host.environments for place in item.tracebacks())
                running.cancel()
                await asyncio.wait((running,))
        except LuaError as error:
            message, traceback = error.message, error.traceback
        if exited:
            message = "os.exit ends the whole file"
        try:
            problem = await self._close_environments()
            if problem and not message:
                message, traceback = problem
        except AssayError as error:
            message = message or str(error)
        host.running = None
        if message and host.server is not None:
            # A workflow task that was never completed keeps its clock from skipping, although its run is gone.
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
        """End the environments and replay what ran in them; returns what does not match."""
        from assay.temporal.replay.show import show

        problem = None
        while self._host.environments:
            environment = self._host.environments.pop(0)
            await environment.close()
            if unused := environment.unused_mocks():
                problem = problem or ("\n".join(unused), "")
            for outcome in await environment.mismatches():
                assert outcome.divergence is not None
                what = "is not deterministic: replayed, it does not match its history"
                if outcome.divergence.is_task_failure:
                    what = "cannot continue: its workflow task fails, also when it is replayed"
                problem = problem or (f"workflow '{outcome.workflow_type}' {what}", show(outcome.divergence))
        return problem


async def _until_exit(test: Coroutine[Any, Any, object]) -> bool:
    """Run a test; returns whether it has called `os.exit`, which would go through the event loop."""
    try:
        await test
    except SystemExit:
        return True
    return False


def main(settings: dict[str, Any]) -> None:
    """Run a file and end the process."""
    report = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    # The test server is a child of this process; both are in a process group of their own.
    signal.signal(signal.SIGTERM, lambda number, frame: os.killpg(0, signal.SIGKILL))
    asyncio.run(File(settings, report).run())
    report.close()
    os._exit(0)  # without the interpreter's teardown, in which the SDK can crash


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
