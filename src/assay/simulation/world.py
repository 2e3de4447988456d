"""The world of one schedule: a simulated server, its workflows, a worker and the messages of clients."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from temporalio.api.common.v1 import Payloads

from assay.errors import LuaError
from assay.lua.values import Json
from assay.simulation import activities, jobs
from assay.simulation.arrivals import Arrivals, Send
from assay.simulation.attempts import Call
from assay.simulation.checks import check_end, check_replay
from assay.simulation.choices import Choices, Unsupported
from assay.simulation.clock import SECOND, START, Clock
from assay.simulation.core import Core, Watch
from assay.simulation.execution import TASK_TIMEOUT, Execution
from assay.simulation.labels import label
from assay.simulation.plan import Activity, Plan
from assay.simulation.server import ChildWorkflow, Run
from assay.simulation.starts import Start
from assay.simulation.violation import Violation

WORKFLOW_ID = "workflow"

_CONTINUES, _EVICTS, _RESTARTS, _CRASHES = "continues", "evicts the run", "restarts", "crashes during the task"
_MAX_TASK_DURATION = TASK_TIMEOUT * 0.9


@dataclass
class Trace:
    """The trace of a schedule, for its coverage.

    Attributes:
        labels: Events of the runs, and "task" for each start of a workflow task.
        moments: Number of moments: points between two events at which a message could have arrived.
    """

    labels: list[str] = field(default_factory=list)
    moments: int = 0


class World:
    """Runs a plan under one schedule."""

    def __init__(self, plan: Plan, choices: Choices, horizon: int = 0, watch: Watch | None = None) -> None:
        """Create a world.

        Args:
            plan: The workflows, and everything that may happen to them.
            choices: The schedule.
            horizon: Last moment at which a message may arrive.
            watch: Called after each activation.
        """
        self.plan = plan
        self.choices = choices
        self.clock = Clock()
        self.trace = Trace()
        self.calls: list[Call] = []
        self.executions: list[Execution] = []
        self._watch = watch
        self._call_counts: dict[str, int] = {}
        self._current: dict[str, Execution] = {}
        self._violations: list[Violation] = []
        self._task_count = 0
        self.arrivals = Arrivals(plan, choices, horizon)

    # Running ------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Run the schedule to its end, and check it. Raises Violation or Unsupported."""
        try:
            self._run()
            self._check()
        finally:
            for execution in self.executions:
                execution.core.evict()

    def _run(self) -> None:
        plan = self.plan
        expires = 0
        if plan.execution_timeout is not None:
            expires = self.clock.now + round(plan.execution_timeout * SECOND)
        self._start(
            Start(
                WORKFLOW_ID,
                self._run_id(),
                plan.workflow_type,
                plan.settings.task_queue,
                jobs.arguments(plan.arguments),
                run_timeout=plan.run_timeout or 0,
                expires=expires,
            )
        )
        while self._step():
            pass

    def _step(self) -> bool:
        """Process the next workflow task, message or timer; return false if there is none."""
        self._next_moment()
        ready = next((run for run in self.executions if run.has_task and not run.task_delay), None)
        if ready is not None:
            self._run_task(ready)
            return True
        if not any(run.is_open for run in self.executions):
            return False
        is_idle = not any(run.has_task for run in self.executions)
        if is_idle and self.main_run.is_open and self._send_required():
            return True
        if self.clock.next_due() is not None:
            self._fire_timer()
            return True
        waiting = next((run for run in self.executions if run.has_task), None)
        if waiting is not None:
            waiting.task_delay -= 1
            return True
        return False

    def _fire_timer(self) -> None:
        at = self.clock.next_due()
        assert at is not None
        if at > self.clock.now:
            self.clock.advance(at)
            self._next_moment()
        self.clock.pop().action()
        self._count_event()

    def _count_event(self) -> None:
        """Count an event against the delays of scheduled workflow tasks."""
        for run in self.executions:
            run.task_delay = max(0, run.task_delay - 1)

    @property
    def main_run(self) -> Execution:
        """The latest run of the workflow under test."""
        return self._current[WORKFLOW_ID]

    @property
    def seconds(self) -> float:
        """Virtual time since the start, in seconds."""
        return (self.clock.now - START) / SECOND

    # Workflow tasks -----------------------------------------------------------------------------------------

    def choose_task_delay(self, run: Run) -> int:
        """Choose the number of events that precede the next workflow task of a run."""
        return self.choices.pick(
            f"task {run.task_count + 1}{run.name_suffix}, events before it", (0, 1, 2, 3, 5), "grouping"
        )

    def _run_task(self, run: Execution) -> None:
        self._task_count += 1
        if self._task_count > self.plan.task_limit:
            raise Violation("limit", f"the workflow did not complete within {self.plan.task_limit} workflow tasks")
        name = f"task {run.task_count + 1}{run.name_suffix}"
        worker = self.choices.pick(f"{name}, worker", (_CONTINUES, _EVICTS, _RESTARTS, _CRASHES), "workers")
        if worker == _EVICTS:
            run.core.evict()
        elif worker == _RESTARTS:
            self.trace_label("worker restarts")
            self._restart_worker()
        task = run.begin_task()
        self.trace.labels.append("task")
        run.core.perform(task, run.tasks, lambda command, lua: activities.run_local(self, command, lua))
        if task.failure is not None:
            raise Violation("limit", f"workflow task failed: {task.failure.message}", task.failure.stack_trace)
        end = max([task.at, *(activation.at for activation in task.activations)])
        events_during_task = self.choices.pick(f"{name}, events during it", (0, 1, 2, 3), "grouping")
        self._next_moment()
        for _ in range(events_during_task):
            at = self.clock.next_due()
            if at is None or at > task.at + _MAX_TASK_DURATION * SECOND:
                break
            self._fire_timer()
        if worker == _CRASHES:
            self._advance(task.at + round(TASK_TIMEOUT * SECOND))
            self.trace_label("worker crashes")
            self._restart_worker()
            run.lose_task()
            return
        self._advance(end)
        run.complete_task()
        self._check_invariants(run)

    def _advance(self, until: int) -> None:
        """Fire the timers up to a time, and advance the clock to it."""
        while True:
            at = self.clock.next_due()
            if at is None or at > until:
                break
            self._fire_timer()
        self.clock.advance(until)

    def _restart_worker(self) -> None:
        for run in self.executions:
            run.core.evict()

    # Messages -----------------------------------------------------------------------------------------------

    def _next_moment(self) -> None:
        """Begin the next moment, and send its messages."""
        self.trace.moments += 1
        for send in self.arrivals.due(self.trace.moments):
            self._send(send)

    def _send_required(self) -> bool:
        """Send the next required message; return false if there is none."""
        send = self.arrivals.required(is_last_chance=self.clock.next_due() is None)
        if send is not None:
            self._send(send)
        return send is not None

    def _send(self, send: Send) -> None:
        if self.main_run.is_open:
            violation = send(self.main_run)
            self._violations += [] if violation is None else [violation]
            self._count_event()

    # Workflows ----------------------------------------------------------------------------------------------

    def _run_id(self) -> str:
        return f"00000000-0000-4000-8000-{len(self.executions) + 1:012}"

    def _start(self, start: Start, parent: ChildWorkflow | None = None) -> Execution:
        plan = self.plan
        definition = plan.definitions.get(start.workflow_type)
        if definition is None:
            known = ", ".join(sorted(plan.definitions))
            raise Unsupported(
                f"workflow '{start.workflow_type}' is not registered by the script (registered: {known}); workflows of "
                "other workers are not simulated"
            )
        execution = Execution(self, start, Core(definition, plan.settings, start.run_id, self._watch), parent=parent)
        self.executions.append(execution)
        self._current[start.workflow_id] = execution
        return execution

    def is_main(self, run: Run) -> bool:
        """Return true if the run belongs to the workflow under test."""
        return run.start.workflow_id == WORKFLOW_ID

    def current(self, workflow_id: str) -> Execution | None:
        """Return the latest run of a workflow."""
        return self._current.get(workflow_id)

    def find(self, workflow_id: str, run_id: str) -> Execution | None:
        """Return a run of a workflow: the latest if `run_id` is empty."""
        if not run_id:
            return self.current(workflow_id)
        return next((run for run in self.executions if run.start.run_id == run_id), None)

    def start_child(self, parent: Run, child: ChildWorkflow, event: int) -> Execution:
        """Start a child workflow."""
        command = child.command
        timeout = command.workflow_execution_timeout.ToNanoseconds()
        return self._start(
            Start(
                command.workflow_id,
                self._run_id(),
                command.workflow_type,
                command.task_queue,
                list(command.input),
                parent=(parent.start.workflow_id, parent.start.run_id),
                initiated=event,
                memo=dict(command.memo),
                search_attributes=dict(command.search_attributes.indexed_fields),
                headers=dict(command.headers),
                run_timeout=command.workflow_run_timeout.ToNanoseconds() / 1e9,
                expires=self.clock.now + timeout if timeout else 0,
            ),
            child,
        )

    def continue_as_new(self, run: Run, command: Any) -> None:
        """End a run and start its successor."""
        self._continue(self._execution(run), command)

    def _continue(self, run: Execution, command: Any) -> None:
        if command.HasField("retry_policy"):
            raise Unsupported("continue_as_new: 'retry_policy' is not simulated")
        if command.HasField("backoff_start_interval"):
            raise Unsupported("continue_as_new: 'backoff_start_interval' is not simulated")
        run_id = self._run_id()
        old = run.start
        run.close(
            "continued as new",
            "workflow_execution_continued_as_new",
            new_execution_run_id=run_id,
            workflow_type={"name": command.workflow_type or old.workflow_type},
            input=Payloads(payloads=command.arguments),
            workflow_task_completed_event_id=run.completed_event,
        )
        attributes = dict(command.search_attributes.indexed_fields) or run.search_attributes
        timeout = command.workflow_run_timeout.ToNanoseconds() / 1e9
        next_run = self._start(
            replace(
                old,
                run_id=run_id,
                workflow_type=command.workflow_type or old.workflow_type,
                task_queue=command.task_queue or old.task_queue,
                arguments=list(command.arguments),
                continued=old.run_id,
                first_run_id=old.first_run_id or old.run_id,
                memo=dict(command.memo) or old.memo,
                search_attributes=attributes,
                run_timeout=timeout or old.run_timeout,
            ),
            run.parent,
        )
        if run.parent is not None:
            run.parent.on_continue(next_run)
        for update in run.unanswered_updates():
            next_run.admit(update)

    def on_close(self, run: Run) -> None:
        """Check a run that has ended."""
        self._violations += check_end(self._execution(run))

    def _execution(self, run: Run) -> Execution:
        return next(execution for execution in self.executions if execution is run)

    # Activities ---------------------------------------------------------------------------------------------

    def activity(self, name: str) -> Activity:
        """Return the behavior of an activity. Raises Unsupported if it has none."""
        if name in self.plan.activities:
            return self.plan.activities[name]
        if self.plan.find_activity is None:
            raise Unsupported(f"activity '{name}' is not in 'activities'")
        return self.plan.find_activity(name)

    def next_call_number(self, name: str) -> int:
        """Return the number of the next call of an activity, counted from 1."""
        self._call_counts[name] = self._call_counts.get(name, 0) + 1
        return self._call_counts[name]

    def record_call(self, name: str, input: Json, attempt: int, number: int, *, after_cancel: bool) -> Call:
        """Record an attempt of an activity."""
        call = Call(name, input, attempt, self.seconds, number=number, after_cancel=after_cancel)
        self.calls.append(call)
        return call

    # Checks -------------------------------------------------------------------------------------------------

    def trace_event(self, run: Run, kind: str, fields: dict[str, Any]) -> None:
        """Add an event of a run to the trace."""
        self.trace.labels.append(label(kind, fields, run.step_names) + run.name_suffix)

    def trace_label(self, label: str) -> None:
        """Add a label to the trace for something without an event: a failed attempt, a restart of the worker."""
        self.trace.labels.append(label)

    def _check_invariants(self, run: Execution) -> None:
        always = self.plan.always
        if always is None or not self.is_main(run):
            return
        if run.core.run is None:
            if run.status == "continued as new" or not run.tasks:
                return
            run.core.replay(run.tasks)
        try:
            always(_View(self, run))
        except LuaError as error:
            raise Violation("always", error.message, error.traceback) from error

    def _check(self) -> None:
        traceback = self.main_run.core.traceback() if self.main_run.is_open else ""
        for run in self.executions:
            check_replay(run, self.plan)
        if self.main_run.is_open:
            raise Violation("stuck", "the workflow is blocked: nothing that it waits for can happen", traceback)
        for violation in self._violations:
            if violation.kind not in self.plan.allowed:
                raise violation
        limit = self.plan.time_limit
        if limit is not None and self.seconds > limit:
            raise Violation("limit", f"the workflow took {self.seconds:g} s, more than 'time_limit' ({limit:g} s)")


class _View:
    """The run that `always` inspects."""

    def __init__(self, world: World, run: Execution) -> None:
        self._world = world
        self._run = run

    def query(self, name: str, value: Json | None) -> Json | None:
        """Query the run. Raises LuaError if the query fails."""
        return self._run.core.query(name, value, self._world.clock.now, len(self._run.history))
