"""One schedule: a simulated server with its workflows, a worker, and what comes from outside."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from temporalio.api.common.v1 import Payloads

from assay.errors import LuaError
from assay.lua.values import Json
from assay.simulation import activities, jobs
from assay.simulation.agenda import SECOND, START, Agenda
from assay.simulation.arrivals import Arrivals, Send
from assay.simulation.attempts import Call
from assay.simulation.checks import check_end
from assay.simulation.choices import Choices, Unsupported
from assay.simulation.core import Core, Watch
from assay.simulation.execution import TASK_TIMEOUT, Execution
from assay.simulation.labels import label
from assay.simulation.plan import Activity, Plan
from assay.simulation.server import Family, Run
from assay.simulation.starts import Start
from assay.simulation.violation import Violation
from assay.temporal.workflow.sandbox.host import OTHER_HASH_SEED

WORKFLOW_ID = "workflow"

_GOES_ON, _FORGETS, _RESTARTS, _DIES = "goes on", "forgets the run", "restarts", "dies in it"
_MAX_DURING = TASK_TIMEOUT * 0.9


@dataclass
class Trace:
    """The events of a schedule, for its coverage.

    Attributes:
        labels: Events of runs; "task" where a worker got a workflow task.
        moments: How many moments there were at which something could have come.
    """

    labels: list[str] = field(default_factory=list)
    moments: int = 0


class World:
    """Runs a plan under one schedule."""

    def __init__(self, plan: Plan, choices: Choices, horizon: int = 0, watch: Watch | None = None) -> None:
        """`horizon`: the moments up to which messages may come. `watch` sees each activation."""
        self.plan = plan
        self.choices = choices
        self.agenda = Agenda()
        self.trace = Trace()
        self.calls: list[Call] = []
        self.executions: list[Execution] = []
        self._watch = watch
        self._numbers: dict[str, int] = {}
        self._current: dict[str, Execution] = {}
        self._problems: list[Violation] = []
        self._tasks = 0
        self.arrivals = Arrivals(plan, choices, horizon)

    # Running ------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Run to the end. Raises Violation and Unsupported."""
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
            expires = self.agenda.now + round(plan.execution_timeout * SECOND)
        self._begin(
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
        while self._go_on():
            pass

    def _go_on(self) -> bool:
        """Do what comes next; returns whether there was something."""
        self._moment()
        ready = next((run for run in self.executions if run.has_task and not run.waits_for_task), None)
        if ready is not None:
            self._perform(ready)
            return True
        if not any(run.is_open for run in self.executions):
            return False
        is_idle = not any(run.has_task for run in self.executions)
        if is_idle and self.first.is_open and self._send_required():
            return True
        if self.agenda.next() is not None:
            self._next_event()
            return True
        waiting = next((run for run in self.executions if run.has_task), None)
        if waiting is not None:
            waiting.waits_for_task -= 1
            return True
        return False

    def _next_event(self) -> None:
        at = self.agenda.next()
        assert at is not None
        if at > self.agenda.now:
            self.agenda.advance(at)
            self._moment()
        self.agenda.take().action()
        self._passed()

    def _passed(self) -> None:
        for run in self.executions:
            run.waits_for_task = max(0, run.waits_for_task - 1)

    @property
    def first(self) -> Execution:
        """The latest run of the workflow that was started."""
        return self._current[WORKFLOW_ID]

    @property
    def seconds(self) -> float:
        """The time since the start."""
        return (self.agenda.now - START) / SECOND

    # Workflow tasks -----------------------------------------------------------------------------------------

    def waits(self, run: Run) -> int:
        """Return how many events come before the next task of a run is handed out."""
        return self.choices.pick(f"task {run.count + 1}{run.title} waits for events", (0, 1, 2, 3, 5), "grouping")

    def _perform(self, run: Execution) -> None:
        self._tasks += 1
        if self._tasks > self.plan.task_limit:
            raise Violation("limit", f"it does not end within {self.plan.task_limit} workflow tasks")
        name = f"task {run.count + 1}{run.title}"
        worker = self.choices.pick(f"{name}, the worker", (_GOES_ON, _FORGETS, _RESTARTS, _DIES), "workers")
        if worker == _FORGETS:
            run.core.evict()
        elif worker == _RESTARTS:
            self.note("worker restarts")
            self._restart()
        task = run.begin_task()
        self.trace.labels.append("task")
        run.core.perform(task, run.tasks, lambda command, lua: activities.run_local(self, command, lua))
        if task.failure is not None:
            raise Violation("limit", f"the workflow task fails: {task.failure.message}", task.failure.stack_trace)
        ends = max([task.at, *(each.at for each in task.rounds)])
        during = self.choices.pick(f"{name} ends after events", (0, 1, 2, 3), "grouping")
        self._moment()
        for _ in range(during):
            at = self.agenda.next()
            if at is None or at > task.at + _MAX_DURING * SECOND:
                break
            self._next_event()
        if worker == _DIES:
            self._let_pass(task.at + round(TASK_TIMEOUT * SECOND))
            self.note("worker dies")
            self._restart()
            run.lose_task()
            return
        self._let_pass(ends)
        run.complete_task()
        self._check_invariants(run)

    def _let_pass(self, until: int) -> None:
        while True:
            at = self.agenda.next()
            if at is None or at > until:
                break
            self._next_event()
        self.agenda.advance(until)

    def _restart(self) -> None:
        for run in self.executions:
            run.core.evict()

    # What comes from outside --------------------------------------------------------------------------------

    def _moment(self) -> None:
        """Send the messages that come at this moment."""
        self.trace.moments += 1
        for send in self.arrivals.due(self.trace.moments):
            self._send(send)

    def _send_required(self) -> bool:
        """Send the next required message, if there is one."""
        send = self.arrivals.required(is_last_chance=self.agenda.next() is None)
        if send is not None:
            self._send(send)
        return send is not None

    def _send(self, send: Send) -> None:
        if self.first.is_open:
            problem = send(self.first)
            self._problems += [] if problem is None else [problem]
            self._passed()

    # Workflows ----------------------------------------------------------------------------------------------

    def _run_id(self) -> str:
        return f"00000000-0000-4000-8000-{len(self.executions) + 1:012}"

    def _begin(self, start: Start, parent: Family | None = None) -> Execution:
        plan = self.plan
        definition = plan.definitions.get(start.workflow_type)
        if definition is None:
            known = ", ".join(sorted(plan.definitions))
            raise Unsupported(
                f"workflow '{start.workflow_type}' is not in the script (registered: {known}): only workflows of the "
                "script are simulated"
            )
        execution = Execution(self, start, Core(definition, plan.settings, start.run_id, self._watch), parent=parent)
        self.executions.append(execution)
        self._current[start.workflow_id] = execution
        return execution

    def is_first(self, run: Run) -> bool:
        """Return true for a run of the workflow that was started."""
        return run.start.workflow_id == WORKFLOW_ID

    def current(self, workflow_id: str) -> Execution | None:
        """Return the latest run of a workflow."""
        return self._current.get(workflow_id)

    def find(self, workflow_id: str, run_id: str) -> Execution | None:
        """Return a run of a workflow, the latest unless `run_id` names one."""
        if not run_id:
            return self.current(workflow_id)
        return next((run for run in self.executions if run.start.run_id == run_id), None)

    def start_child(self, parent: Run, child: Family, event: int) -> Execution:
        """Start a child workflow."""
        given = child.command
        timeout = given.workflow_execution_timeout.ToNanoseconds()
        return self._begin(
            Start(
                given.workflow_id,
                self._run_id(),
                given.workflow_type,
                given.task_queue,
                list(given.input),
                parent=(parent.start.workflow_id, parent.start.run_id),
                initiated=event,
                memo=dict(given.memo),
                search_attributes=dict(given.search_attributes.indexed_fields),
                headers=dict(given.headers),
                run_timeout=given.workflow_run_timeout.ToNanoseconds() / 1e9,
                expires=self.agenda.now + timeout if timeout else 0,
            ),
            child,
        )

    def continue_as_new(self, run: Run, given: Any) -> None:
        """End a run, and start the next one."""
        self._continue(self._execution(run), given)

    def _continue(self, run: Execution, given: Any) -> None:
        if given.HasField("retry_policy"):
            raise Unsupported("continue_as_new: 'retry_policy' is not simulated")
        if given.HasField("backoff_start_interval"):
            raise Unsupported("continue_as_new: 'backoff_start_interval' is not simulated")
        run_id = self._run_id()
        old = run.start
        run.close(
            "continued as new",
            "workflow_execution_continued_as_new",
            new_execution_run_id=run_id,
            workflow_type={"name": given.workflow_type or old.workflow_type},
            input=Payloads(payloads=given.arguments),
            workflow_task_completed_event_id=run.completed_event,
        )
        attributes = dict(given.search_attributes.indexed_fields) or run.search_attributes
        timeout = given.workflow_run_timeout.ToNanoseconds() / 1e9
        run.next = self._begin(
            replace(
                old,
                run_id=run_id,
                workflow_type=given.workflow_type or old.workflow_type,
                task_queue=given.task_queue or old.task_queue,
                arguments=list(given.arguments),
                continued=old.run_id,
                first_run_id=old.first_run_id or old.run_id,
                memo=dict(given.memo) or old.memo,
                search_attributes=attributes,
                run_timeout=timeout or old.run_timeout,
            ),
            run.parent,
        )
        if run.parent is not None:
            run.parent.follow(run.next)
        for update in run.unanswered():
            run.next.admit(update)

    def closed(self, run: Run) -> None:
        """Look at a run that has ended."""
        self._problems += check_end(self._execution(run))

    def _execution(self, run: Run) -> Execution:
        return next(execution for execution in self.executions if execution is run)

    # Activities ---------------------------------------------------------------------------------------------

    def activity(self, name: str) -> Activity:
        """Return how an activity behaves. Raises Unsupported."""
        found = self.plan.activities.get(name)
        if found is None:
            if self.plan.find_activity is None:
                raise Unsupported(f"activity '{name}' is not in 'activities'")
            found = self.plan.find_activity(name)
        return found

    def number(self, name: str) -> int:
        """Return which call of an activity the next one is."""
        self._numbers[name] = self._numbers.get(name, 0) + 1
        return self._numbers[name]

    def called(self, name: str, input: Json, attempt: int, number: int, *, after_cancel: bool) -> Call:
        """Note an attempt of an activity."""
        call = Call(name, input, attempt, self.seconds, number=number, after_cancel=after_cancel)
        self.calls.append(call)
        return call

    # Checks -------------------------------------------------------------------------------------------------

    def saw(self, run: Run, kind: str, fields: dict[str, Any]) -> None:
        """Note an event for the coverage of schedules."""
        self.trace.labels.append(label(kind, fields, run.names) + run.title)

    def note(self, label: str) -> None:
        """Note what is in no history: an attempt that failed, a worker that restarted."""
        self.trace.labels.append(label)

    def _check_invariants(self, run: Execution) -> None:
        always = self.plan.always
        if always is None or not self.is_first(run):
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
        where = self.first.core.traceback() if self.first.is_open else ""
        self._check_replays()
        if self.first.is_open:
            raise Violation("stuck", "the workflow is blocked: nothing that it waits for can happen", where)
        for problem in self._problems:
            if problem.kind not in self.plan.allowed:
                raise problem
        limit = self.plan.time_limit
        if limit is not None and self.seconds > limit:
            raise Violation("limit", f"it took {self.seconds:g} s, more than the {limit:g} s of 'time_limit'")

    def _check_replays(self) -> None:
        """Replay each run in a state with other hash tables."""
        other = replace(self.plan.settings, hash_seed=OTHER_HASH_SEED)
        for run in self.executions:
            if run.tasks:
                core = Core(self.plan.definitions[run.start.workflow_type], other, run.start.run_id)
                core.flags = run.core.flags
                try:
                    core.replay(run.tasks)
                finally:
                    core.evict()


class _View:
    """A run as an invariant sees it."""

    def __init__(self, world: World, run: Execution) -> None:
        self._world = world
        self._run = run

    def query(self, name: str, value: Json | None) -> Json | None:
        """Answer a query. Raises LuaError."""
        return self._run.core.query(name, value, self._world.agenda.now, len(self._run.history))
