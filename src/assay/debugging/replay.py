"""Debugs the replay of a run from its history, any number of times.

Nothing is executed: no activity runs, and no command is sent to a server.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import AsyncIterator
from pathlib import Path

from temporalio.client import WorkflowHistory

from assay.debugging import callbacks, events
from assay.debugging.launch import Launch
from assay.debugging.passes import Kind
from assay.debugging.session import Session
from assay.errors import AssayError
from assay.libraries import LIBRARIES
from assay.permissions import Permissions
from assay.temporal.client.connect import connect_client
from assay.temporal.core.protos import WorkflowActivation, WorkflowActivationCompletion
from assay.temporal.replay.engine import Replay, Trace, Workflows
from assay.temporal.replay.feed import Feed
from assay.temporal.replay.show import show
from assay.temporal.telemetry import logs
from assay.temporal.timeline import reading
from assay.temporal.worker.registration import Script, read_script
from assay.temporal.workflow.run.run import Run
from assay.temporal.workflow.runs import Observer, Runs
from assay.temporal.workflow.sandbox.limits import WorkflowLimits


class DebuggedReplay:
    """The replay of a run under the debugger."""

    def __init__(self, session: Session, launch: Launch, allowed: Permissions) -> None:
        self._session = session
        self._launch = launch
        self._allowed = allowed
        self._history: WorkflowHistory
        self._trace: Trace
        self._workflows: Workflows
        self._stops = events.Stops()

    async def run(self) -> int:
        """Replay the run until the editor ends the session or the run ends; return the exit code.

        Raises AssayError if the history or the script cannot be read, before the session begins.
        """
        logs.silence(verbose=False)
        async with self._script() as script:
            self._history = (await self._find(script)).history
            await self._prepare(script)
            self._session.begin(counted=True)
            self._session.on_events = self._choose_events
            self._choose_events()
            kind = await self._passes()
        while kind is not None:
            try:
                async with self._script() as script:
                    await self._prepare(script)
                    self._choose_events()
                    kind = await self._passes()
            except AssayError as error:  # in the changed script
                self._session.output("important", f"{error}\n")
                return 1
        return self._report()

    @contextlib.asynccontextmanager
    async def _script(self) -> AsyncIterator[Script]:
        """Read the script, and close it at the end."""
        launch = self._launch
        script = await read_script(launch.program, LIBRARIES, launch.args, permissions=self._allowed)
        try:
            yield script
        finally:
            await script.close()

    async def _find(self, script: Script) -> reading.Recorded:
        launch = self._launch
        if launch.history:
            return reading.from_file(Path(launch.history))
        options = script.connections[0].connection_only()
        options.url, options.namespace = launch.address or options.url, launch.namespace or options.namespace
        client = await connect_client("debug", options, permissions=self._allowed)
        return await reading.from_server(client, launch.workflow_id, launch.run_id or None)

    async def _prepare(self, script: Script) -> None:
        """Replay once without stopping, to find the calls that lead to events and any divergence."""
        self._workflows = Workflows(script.workers)
        self._trace = await Replay(script.workers).trace(self._history)

    def _choose_events(self) -> None:
        specs = self._session.selected_events()
        history_events = self._history.events
        if specs is None:
            specs = [events.EventSpec(id=event.event_id) for event in history_events]
        self._stops = events.stops(specs, history_events, self._trace.calls)
        self._session.settings.set_calls(self._stops.calls)

    async def _passes(self) -> Kind | None:
        """Replay the run, and rerun it for each step back. Return "restart" if the editor requests a restart."""
        kind: Kind | None = "rerun"
        while kind == "rerun":
            if self._launch.stop_on_entry and not self._session.is_rewinding:
                self._session.settings.pause("entry")
            await self._pass()
            kind = self._session.next_pass()
        return kind

    async def _pass(self) -> None:
        settings = self._workflows.settings
        settings = dataclasses.replace(
            settings,
            libraries={**settings.libraries, **callbacks.LIBRARIES},
            # The debugger itself needs memory and CPU time.
            limits=WorkflowLimits(memory_mb=2 * settings.limits.memory_mb, cpu_seconds=math.inf),
            parts=callbacks.PARTS,
            prints_in_replay=True,
        )
        runs = Runs(self._workflows.definitions, settings, _ReplayObserver(self))
        try:
            async with Feed(runs, self._workflows.codec) as feed:
                await feed.replay(self._history)
        except AssayError as error:
            self._session.output("important", f"{error}\n")

    def activating(self, act: WorkflowActivation) -> None:
        """Stop at the next line if the activation delivers a selected event."""
        text = self._stops.tasks.get(act.history_length)
        if text is not None:
            self._session.settings.pause("event", text)

    def stop_at_end(self, run: Run, reason: bytes, text: str) -> None:
        """Stop while the run is idle, to show where it waits."""
        if not self._session.is_abandoned:
            run.host.state.invoke(b"stop_idle", reason, text.encode())

    def task_failed(self, message: str) -> None:
        """Report a failed workflow task."""
        if not self._session.is_abandoned:
            self._session.output("important", f"the workflow task fails: {message}\n")

    @property
    def stops_at_end(self) -> bool:
        """True if the run stops at the end of its history."""
        return self._launch.stop_at_end

    def _report(self) -> int:
        divergence = self._trace.divergence
        if divergence is None:
            self._session.output("console", f"the replay matches the history: {len(self._history.events)} events\n")
            return 0
        self._session.output("important", f"the script does not match the history: {show(divergence)}\n")
        return 1


class _ReplayObserver(Observer):
    """Stops at events, at a divergence and at the end of the history."""

    def __init__(self, replay: DebuggedReplay) -> None:
        self._replay = replay
        self._task = 0
        self._has_diverged = False

    def activating(self, run: Run, act: WorkflowActivation) -> None:
        """Stop for the events of a workflow task, once per task."""
        if act.history_length != self._task:
            self._task = act.history_length
            self._replay.activating(act)

    def activated(self, run: Run, act: WorkflowActivation, completion: WorkflowActivationCompletion) -> None:
        """Report a failed workflow task."""
        if completion.HasField("failed"):
            self._replay.task_failed(completion.failed.failure.message)

    def mismatch(self, run: Run, message: str, where: str) -> None:
        """Stop where the run diverges from its history."""
        self._has_diverged = True
        self._replay.stop_at_end(run, b"exception", f"the run diverges from its history: {message}")

    def removed(self, run: Run) -> None:
        """Stop at the end of the history of an open run."""
        if not (run.is_over or self._has_diverged) and self._replay.stops_at_end:
            self._replay.stop_at_end(run, b"pause", "end of the history")
