"""Drives one run of a Lua workflow without a server: activations in, commands out."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any

from temporalio.bridge.proto.workflow_activation import WorkflowActivation, WorkflowActivationJob
from temporalio.bridge.proto.workflow_commands import WorkflowCommand
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion

from assay.libraries import LIBRARIES
from assay.lua.host import Host
from assay.lua.loader import Finder
from assay.temporal.workflow.ctx.context import Context
from assay.temporal.workflow.run.run import Run
from assay.temporal.workflow.sandbox.limits import WorkflowLimits
from assay.temporal.workflow.settings import Definition, Settings
from engine import jobs
from engine.views import view

Commands = list[dict[str, Any]]
"""The commands of a completion as plain data, each as `{kind: fields}`."""

TRY = """
-- "ok:" and the result of a call, or "err:" and the kind of its error.
local function try(f, ...)
  local ok, value = pcall(f, ...)
  return ok and "ok:" .. tostring(value) or "err:" .. tostring(value.kind)
end
"""


@functools.cache
def snapshot(source: str) -> bytes:
    """Return the snapshot of the workflow function that a chunk returns."""
    host = Host(LIBRARIES, Finder("."), lambda _text: None)
    function = host.run_sync(host.load(source.encode(), "workflow.lua"), (), b"call")
    return host.snapshot(function, "workflow 'W'")


def make_settings(**fields: Any) -> Settings:
    """Return settings of a worker that has local activities of all names."""
    return Settings(**{"libraries": LIBRARIES, "limits": WorkflowLimits(), "task_queue": "queue", **fields})


def as_on_replay(act: WorkflowActivation, completion: WorkflowActivationCompletion) -> WorkflowActivation:
    """Return the activation that Core sends on a replay for one that was answered with a completion.

    Queries and rejected updates are not in the history; patch markers are, and so are the flags that were used.
    """
    rejected, accepted = set(), set()
    patches = []
    for command in completion.successful.commands:
        response = command.update_response
        if response.HasField("accepted"):
            accepted.add(response.protocol_instance_id)
        elif response.HasField("rejected") and response.protocol_instance_id not in accepted:
            rejected.add(response.protocol_instance_id)
        if command.HasField("set_patch_marker"):
            patches.append(jobs.has_patch(command.set_patch_marker.patch_id))
    again = WorkflowActivation()
    again.CopyFrom(act)
    again.is_replaying = True
    del again.jobs[:]
    again.jobs.extend(patches)
    for job in act.jobs:
        is_recorded = not job.HasField("query_workflow")
        is_recorded = is_recorded and not (job.HasField("do_update") and job.do_update.protocol_instance_id in rejected)
        if is_recorded:
            again.jobs.add().CopyFrom(job)
            if job.HasField("do_update"):
                again.jobs[-1].do_update.run_validator = False
    return again


def recorded(commands: Iterable[WorkflowCommand]) -> list[WorkflowCommand]:
    """Return those commands that leave a trace in the history."""
    kept: list[WorkflowCommand] = []
    accepted = set()
    for command in commands:
        response = command.update_response
        if response.HasField("accepted"):
            accepted.add(response.protocol_instance_id)
        is_rejection = response.HasField("rejected") and response.protocol_instance_id not in accepted
        if not (command.HasField("respond_to_query") or is_rejection):
            kept.append(command)
    return kept


class Driver:
    """One run of the workflow function that `source`, a Lua chunk, returns."""

    def __init__(self, source: str, *, suspend: bool = False, settings: Settings | None = None) -> None:
        self.definition = Definition("W", snapshot(source), suspend=suspend)
        self.settings = settings or make_settings()
        self.history: list[tuple[WorkflowActivation, WorkflowActivationCompletion]] = []
        """The activations so far and how each was answered, but for workflow tasks that failed."""
        self.run: Run | None = None
        self.failure = ""
        """The message of the last workflow task, if it failed."""
        self._now = 1_000.0
        self._length = 0

    def start(self, *arguments: Any, **fields: Any) -> Commands:
        """Start the run; returns the commands of its first task."""
        return self.send(jobs.initialize(*arguments, **fields))

    def send(self, *given: WorkflowActivationJob, after: float = 0, **fields: Any) -> Commands:
        """Send an activation, `after` seconds later; returns its commands. `failure` is set when it fails.

        Jobs of local activities alone belong to the workflow task before, all others begin a new one.
        """
        self._now += after
        if not all(job.resolve_activity.is_local for job in given):
            self._length += 3
        act = WorkflowActivation(run_id=jobs.RUN_ID, jobs=given, history_length=self._length, **fields)
        act.timestamp.FromNanoseconds(round(self._now * 1e9))
        completion = self.activate(act)
        self.failure = completion.failed.failure.message if completion.HasField("failed") else ""
        if not self.failure:
            self.history.append((act, completion))
        return shown(completion)

    def activate(self, act: WorkflowActivation) -> WorkflowActivationCompletion:
        """Pass an activation unchanged."""
        if self.run is None:
            self.run = self.make(act)
        return self.run.activate(act)

    def make(self, act: WorkflowActivation) -> Run:
        """Make a run for a first activation."""
        return Run(self.definition, self.settings, act, Context)

    def evict(self) -> None:
        """Remove the run from the cache, and make it again as Core does: by a replay of all that was."""
        self.close()
        self.run = self.replayed(len(self.history))

    def replayed(self, count: int) -> Run | None:
        """Return a new run that has got the first activations again, which it must answer as before."""
        run = None
        for act, completion in self.history[:count]:
            again = as_on_replay(act, completion)
            if run is None:
                again.available_internal_flags.extend(completion.successful.used_internal_flags)
                run = self.make(again)
            if again.jobs:
                answer = run.activate(again)
                assert list(map(view, recorded(answer.successful.commands))) == list(
                    map(view, recorded(completion.successful.commands))
                )
                assert not answer.HasField("failed"), answer.failed.failure.message
        return run

    def check_replays(self) -> None:
        """Evict the run before each of its activations: each must be answered as it was."""
        for number, (act, completion) in enumerate(self.history):
            run = self.replayed(number) or self.make(act)
            assert shown(run.activate(act)) == shown(completion)
            run.close()
        replayed = self.replayed(len(self.history))
        if replayed is not None:
            replayed.close()

    def close(self) -> None:
        """Free the run's Lua state."""
        if self.run is not None:
            self.run.close()
            self.run = None


Drive = Callable[..., Driver]
"""The fixture `drive`: creates a driver from the source of a workflow."""


def shown(completion: WorkflowActivationCompletion) -> Commands:
    """Return the commands of a completion as plain data."""
    return [view(command) for command in completion.successful.commands]


def result(commands: Commands) -> Any:
    """Return the result of a workflow whose last command completes it."""
    assert commands, "no commands"
    assert "complete_workflow_execution" in commands[-1], commands
    return commands[-1]["complete_workflow_execution"]["result"]


def failure(commands: Commands) -> Any:
    """Return the failure of a workflow whose last command fails it."""
    assert commands, "no commands"
    assert "fail_workflow_execution" in commands[-1], commands
    return commands[-1]["fail_workflow_execution"]["failure"]


def kinds(commands: Commands) -> list[str]:
    """Return the kinds of commands."""
    return [next(kind for kind in command if kind != "user_metadata") for command in commands]
