"""One run of a workflow: `Run.activate` takes what Core says and gives back what the workflow wants.

The order in which everything happens in an activation, live and on every replay:

1. The patches that the history has, and a new seed of the random numbers, are noted.
2. With the start, the workflow function runs until it waits for the first time, and all that it set going with it.
   Only then is looked at what came along with the start: so it meets the handlers that the function registers.
3. The other jobs are noted in the order that Core gives them, which is the order of the history. A result is there
   from then on for whoever waits for it; a signal goes to its handler or into the mailbox. No Lua code runs yet.
4. The jobs have their turns, in the same order. The fibers that a job concerns run, one after the other, each until it
   waits: the one whose timer fires or whose step ends, the one that waits for the signal, a new one for a handler,
   those that a cancel reaches. Then the fibers that these have set going run, and so on; a dynamic handler that is new
   gets the signals that came before it and that no task has asked for.
5. After the last turn conditions are asked, in the order in which they began to wait, and what holds runs: so a
   workflow that waits until something holds has had all the messages of the activation before it ends.
6. When no condition holds, the oldest local activity ends, if Core has said how, and 5 follows.
7. Queries are answered.

So it makes no difference whether messages come in one activation or in several, but for conditions, and for two things
more: a result that is there wins over a cancel, and `poll_signal` sees a signal before its turn, so that a workflow
that is about to end can look for signals that came too late.

Nothing here knows of threads, event loops, files or the clock: time is the activation's.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID

from temporalio.api.failure.v1 import Failure
from temporalio.common import MetricMeter

from assay import events
from assay.errors import BuiltinError, LuaError
from assay.events import Event
from assay.lua.declare import Function
from assay.lua.values import Json
from assay.temporal.core.protos import (
    CancelWorkflow,
    InitializeWorkflow,
    WorkflowActivation,
    WorkflowActivationCompletion,
    WorkflowActivationJob,
    WorkflowCommand,
)
from assay.temporal.data import failures, payloads
from assay.temporal.workflow.run import messages
from assay.temporal.workflow.run.attributes import Attributes
from assay.temporal.workflow.run.backlog import Backlog
from assay.temporal.workflow.run.fibers import Fiber, Update
from assay.temporal.workflow.run.flags import Flag, Flags
from assay.temporal.workflow.run.mailbox import Mailbox
from assay.temporal.workflow.run.outbound import Outbound
from assay.temporal.workflow.run.scopes import Scope
from assay.temporal.workflow.run.start import Moment, Start, read
from assay.temporal.workflow.sandbox import copying
from assay.temporal.workflow.sandbox.errors import HostFailure, WorkflowLimitError, is_cancellation, origin_of
from assay.temporal.workflow.sandbox.held import Held
from assay.temporal.workflow.sandbox.host import WorkflowHost
from assay.temporal.workflow.settings import Definition, Settings

if TYPE_CHECKING:
    from assay.lua.function import LuaFunction
    from assay.temporal.workflow.run.activities import LocalActivity

Turn = list[Callable[[], object]]
"""What is to run in the turn of a job, in order."""


class Awaited(Protocol):
    """A future of a script: what the run says of those that failed unseen."""

    title: str

    def failure_text(self) -> str:
        """Return the message of its failure."""


class Condition(Protocol):
    """What waits until something holds that only Lua code knows."""

    def check(self) -> None:
        """Ask, and let whoever waits continue if it holds."""


class ContinueAsNew(BaseException):
    """Ends the run from anywhere in its Lua code; `command` is for Core."""

    def __init__(self, command: WorkflowCommand) -> None:
        super().__init__("continue as new")
        self.command = command


class Run:
    """One run: its Lua state, its fibers and what they wait for."""

    def __init__(
        self,
        definition: Definition,
        settings: Settings,
        act: WorkflowActivation,
        make_context: Callable[[Run], object],
    ) -> None:
        """Make the run of an activation with an `initialize_workflow` job; `activate` takes it then.

        `make_context` makes what the workflow function gets as `ctx`. Raises UnknownFlagError.
        """
        start = next(job.initialize_workflow for job in act.jobs if job.HasField("initialize_workflow"))
        self.definition = definition
        self.settings = settings
        self.start = Start(start, act.run_id)
        self.moment = Moment(act)
        self.flags = Flags(act.available_internal_flags, is_new=not act.is_replaying)
        self.outbound = Outbound()
        self.backlog = Backlog(self.outbound)
        """What finds no room in the current workflow task."""
        self.mailbox = Mailbox()
        self.scope = Scope()
        """What a cancel of the workflow reaches."""
        self.fiber: Fiber | None = None
        """The fiber that runs."""
        self.cancel_reason: str | None = None
        """The reason of a cancel request, empty when it has none; None as long as there is no request."""
        self.validating: Update | None = None
        """The update whose validator runs."""
        self.details = ""
        """What the Web UI shows as the current details."""
        self.attributes = Attributes(self.start, settings.reporter)
        self.unawaited: dict[Awaited, None] = {}
        """Futures that have failed and that nothing has waited for."""
        self.conditions: list[Condition] = []
        self.local_activities: list[LocalActivity] = []
        """Those that have not ended for the workflow, in the order of their starts."""
        self.side_effects: dict[int, LuaFunction] = {}
        self.is_over = False
        self._make_context = make_context
        self._queue: Turn = []
        """What runs in this turn; it grows meanwhile."""
        self._turns: list[Turn] = []
        """The turns of this activation that are still to come, the next one last."""
        self._patches: dict[str, bool] | None = None
        self._notified: set[str] | None = None
        self._seed = start.randomness_seed
        self._random: random.Random | None = None
        self._names: random.Random | None = None
        self._first_seed: int | None = None
        self._last_side_effect = 0
        self._root: Fiber | None = None
        self.host = WorkflowHost(
            settings.libraries,
            settings.limits,
            self,
            copies=settings.copies,
            more_parts=settings.parts,
            hash_seed=settings.hash_seed,
            prints_in_replay=settings.prints_in_replay,
        )
        self._held = Held(self._holds, (Run, WorkflowHost, Settings, Definition, Start, Function))
        self.host.count(self._held)

    # The activation -----------------------------------------------------------------------------------------

    def activate(self, act: WorkflowActivation) -> WorkflowActivationCompletion:
        """Take the jobs of an activation; returns the commands that follow, or why the workflow task fails."""
        completion = WorkflowActivationCompletion(run_id=act.run_id)
        completion.successful.SetInParent()
        if self.definition.versioning.value:
            completion.successful.versioning_behavior = self.definition.versioning.value
        self.outbound.begin(completion.successful.commands, act.history_length)
        self.moment = Moment(act)
        self.host.limits.begin_activation()
        self._held.add(act.ByteSize())
        was_over = self.is_over
        try:
            self._take(act.jobs, completion)
        except ContinueAsNew as wanted:
            self._finish(wanted.command)
            self._drop_turns()
            if self.fiber is not None:
                self.fiber.abandon()
        except HostFailure as failure:
            self._drop_turns()
            self._fail_task(completion, failure.cause)
        if self.is_over and not was_over and completion.HasField("successful"):
            messages.warn_of_what_is_left(self)
        self.outbound.end()
        return completion

    def _take(self, jobs: Iterable[WorkflowActivationJob], completion: WorkflowActivationCompletion) -> None:
        queries = []
        start = None
        others = []
        for job in jobs:
            match job.WhichOneof("variant"):
                case "notify_has_patch":
                    self._notified = self._notified or set()
                    self._notified.add(job.notify_has_patch.patch_id)
                case "update_random_seed":
                    self._reseed(job.update_random_seed.randomness_seed)
                case "initialize_workflow":
                    start = job.initialize_workflow
                case "query_workflow":
                    queries.append(job.query_workflow)
                case variant:
                    others.append((_JOBS[variant or ""], getattr(job, variant or "")))
        if start is not None:
            completion.successful.used_internal_flags.extend(self.flags.numbers())
            self._begin(start)
            self._settle()
        for apply, job in others:
            apply(self, job)
            self._turns.append(self._queue)
            self._queue = []
        self._turns.reverse()
        while self._turns:
            self._queue = self._turns.pop()
            self._run_queue()
        if others:
            self._settle()
        for query in queries:
            messages.answer_query(self, query)

    def _begin(self, start: InitializeWorkflow) -> None:
        try:
            arguments = read(start.arguments)
        except BuiltinError as error:
            text = f"cannot read the workflow's input: {error}"
            self._fail(failures.application(text, "BadInput", non_retryable=True))
            return
        if self.settings.spans is not None:
            self.settings.spans.started(self)
        task = self.host.begin(self.definition.code, self._make_context(self), arguments)
        self._root = Fiber(self, lambda: task, self.scope)
        self._root.ended.when_done(self._function_ended)
        self._root.begin()

    def _settle(self) -> None:
        """Run what is in the queue, and all that follows from it."""
        while True:
            self._run_queue()
            for condition in tuple(self.conditions):
                condition.check()
            if not self._queue and self.local_activities and self.local_activities[0].has_ended:
                ended = self.local_activities.pop(0)
                if not ended.is_done:
                    ended.end()
                continue
            if not self._queue:
                return

    def _run_queue(self) -> None:
        queue = self._queue
        while queue:
            for work in queue:  # also what it appends meanwhile
                work()
            queue.clear()
            messages.hand_over(self)

    def _drop_turns(self) -> None:
        self._queue.clear()
        self._turns.clear()

    def enqueue(self, work: Callable[[], object]) -> None:
        """Call a function once all that is in the queue has run."""
        self._queue.append(work)

    # Jobs ---------------------------------------------------------------------------------------------------

    def _cancel(self, job: CancelWorkflow) -> None:
        def cancel() -> None:
            self.cancel_reason = job.reason
            self.host.progress += 1
            self.scope.cancel_again()

        self.enqueue(cancel)

    def _fire_timer(self, job: Any) -> None:
        timer = self.outbound.take("timer", job.seq)
        if timer is not None:  # else it was stopped in this very activation
            timer.fire()

    def _resolve_activity(self, job: Any) -> None:
        self._waiting("activity", job.seq).resolved(job.result)

    def _resolve_child_start(self, job: Any) -> None:
        self._waiting("child_workflow", job.seq).start_resolved(job)

    def _resolve_child(self, job: Any) -> None:
        self._waiting("child_workflow", job.seq).resolved(job.result)

    def _resolve_signal(self, job: Any) -> None:
        self._waiting("external_signal", job.seq).resolved(job.failure if job.HasField("failure") else None)

    def _resolve_cancel_request(self, job: Any) -> None:
        self._waiting("external_cancel", job.seq).resolved(job.failure if job.HasField("failure") else None)

    def _resolve_nexus_start(self, job: Any) -> None:
        self._waiting("nexus_operation", job.seq).start_resolved(job)

    def _resolve_nexus(self, job: Any) -> None:
        operation = self.outbound.find("nexus_operation", job.seq)
        if operation is not None:  # else it had ended when its cancel request was answered
            operation.resolved(job.result)

    def _waiting(self, kind: str, seq: int) -> Any:
        found = self.outbound.find(kind, seq)
        if found is None:
            raise HostFailure(RuntimeError(f"nothing waits for {kind.replace('_', ' ')} {seq}"))
        return found

    # The end ------------------------------------------------------------------------------------------------

    def _function_ended(self) -> None:
        root = self._root
        assert root is not None
        if self.is_over:
            return
        if root.error is not None:
            self.fail(root.error)
            return
        event = root.ended.result()
        result = self.host.result(event)
        problem = payloads.too_large("the workflow's result", len(result or b""), self.settings.payload_limit)
        if problem is None:
            command = WorkflowCommand()
            command.complete_workflow_execution.result.CopyFrom(payloads.to_payload(result))
            if self.settings.spans is not None:
                self.settings.spans.completed(self, None)
            self._finish(command)
        elif self.definition.suspend:
            raise HostFailure(LuaError(problem))
        else:
            self._fail(failures.application(problem, "PayloadTooLarge", non_retryable=True))

    def fail(self, error: LuaError) -> None:
        """End the run, or only its workflow task, with an error that Lua code let through."""
        if self.is_over:
            return
        if is_cancellation(error) and self.cancel_reason is not None:
            command = WorkflowCommand()
            command.cancel_workflow_execution.SetInParent()
            self._finish(command)
            return
        origin = origin_of(error)
        if origin is None and self.definition.suspend:
            raise HostFailure(error)
        self._fail(failures.of_lua_error(error) if origin is None else failures.again(origin))

    def _fail(self, failure: Failure) -> None:
        if not failures.is_benign(failure):
            self.warn(events.WORKFLOW_FAILED, f"failed: {failures.fields(failure)['message']}")
        if self.settings.spans is not None:
            self.settings.spans.completed(self, failures.FailureOrigin(failure))
        command = WorkflowCommand()
        command.fail_workflow_execution.failure.CopyFrom(self.outgoing(failure))
        self._finish(command)
        self._drop_turns()

    def _finish(self, command: WorkflowCommand) -> None:
        self.send(command)
        self.is_over = True
        self.host.waits.clear()  # nothing is waited for any more, whatever other fibers were doing

    def send(self, command: WorkflowCommand) -> None:
        """Send what the script cannot be asked to send later: the end of the run, or the answer of an update."""
        if self.flags.has(Flag.SPREAD_OVER_TASKS):
            self.backlog.send(command)
        else:
            self.outbound.append(command)

    def _fail_task(self, completion: WorkflowActivationCompletion, cause: Exception) -> None:
        if isinstance(cause, LuaError):
            failure = failures.of_lua_error(cause)
            where = cause.traceback
        else:
            failure = failures.application(str(cause) or repr(cause), type(cause).__name__)
            where = ""
        self.report(_event_of(cause), f": the workflow task failed: {failure.message}", where, error=cause)
        completion.failed.failure.CopyFrom(self.outgoing(failure))

    def outgoing(self, failure: Failure) -> Failure:
        """Return a failure as it leaves: its texts are where the codec encrypts them, if there is one."""
        if self.settings.hides_failures:
            failures.hide(failure)
        return failure

    def warn(self, event: Event, text: str) -> None:
        """Report an event of the run, but not on a replay."""
        if not self.moment.is_replaying:
            self.report(event, text)

    def report(self, event: Event, text: str, traceback: str = "", *, error: BaseException | None = None) -> None:
        """Report an event of the run; `text` follows its name, `traceback` is where its Lua code was."""
        start = self.start
        self.settings.reporter.report(
            event,
            f"workflow '{start.workflow_type}' ({start.workflow_id}){text if text.startswith(':') else f' {text}'}",
            error=error,
            traceback=traceback,
            workflow_type=start.workflow_type,
            workflow_id=start.workflow_id,
            run_id=start.run_id,
        )

    def _holds(self) -> Iterable[object]:
        """Return what this run alone holds."""
        run = (self.mailbox, self.outbound, self.backlog, self.attributes, self.details, self._patches, self.scope)
        pending = (self._turns, self._queue, self.conditions, self.local_activities, self.side_effects, self.unawaited)
        return (*run, *pending, *self.host.holds())

    def close(self) -> None:
        """Free the Lua state; nothing may use the run from now on."""
        self._drop_turns()
        self.host.close_state()

    # Time and randomness ------------------------------------------------------------------------------------

    @property
    def now(self) -> float:
        """The run's time in seconds since 1970-01-01 UTC."""
        return self.moment.now

    @property
    def started(self) -> float:
        """When the run started."""
        return self.start.started

    @property
    def is_replaying(self) -> bool:
        """Return true if the history already has what the run does now."""
        return self.moment.is_replaying

    def random(self) -> random.Random:
        """Return the run's random numbers, from which scripts draw."""
        if self._random is None:
            self._random = random.Random(self._seed)
            self._first_seed = self._random.getrandbits(62)
        return self._random

    def seed(self) -> int:
        """Return a seed for Lua's random numbers: the first is drawn before anything else, whenever it is asked for."""
        source = self.random()
        seed, self._first_seed = self._first_seed, None
        return source.getrandbits(62) if seed is None else seed

    def uuid(self) -> str:
        """Return a UUID for a script."""
        return str(UUID(bytes=self.random().getrandbits(128).to_bytes(16, "big"), version=4))

    def name(self) -> str:
        """Return a UUID for an id that the engine makes, from a stream that no script draws from."""
        if self._names is None:
            self._names = random.Random(f"names {self._seed}")
        return str(UUID(bytes=self._names.randbytes(16), version=4))

    def _reseed(self, seed: int) -> None:
        first = self._first_seed if self._random is not None else random.Random(self._seed).getrandbits(62)
        self._seed, self._names = seed, None
        self._random, self._first_seed = random.Random(seed), first

    # What ctx asks ------------------------------------------------------------------------------------------

    def current_scope(self) -> Scope:
        """Return the scope of the fiber that runs."""
        assert self.fiber is not None
        return self.fiber.scope

    def begin_fiber(self, task: int, scope: Scope) -> Fiber:
        """Make a fiber of a Lua task; it begins when the one that runs waits."""
        fiber = Fiber(self, lambda: task, scope, self.fiber.update if self.fiber is not None else None)
        fiber.begin()
        return fiber

    def meter(self) -> MetricMeter:
        """Return the metric meter of the run's workflow type."""
        meter = self.settings.meter
        return MetricMeter.noop if meter is None else meter(self.start.workflow_type)

    def patched(self, patch: str, *, deprecated: bool = False) -> bool:
        """Return true if the run takes the new path of a change, and record that it does."""
        known = (self._patches or {}).get(patch)
        if known is not None:
            return known
        is_new = not self.moment.is_replaying or patch in (self._notified or ())
        command = WorkflowCommand()
        command.set_patch_marker.patch_id = patch
        command.set_patch_marker.deprecated = deprecated
        if is_new:
            self.outbound.check(command)
        self._patches = {**(self._patches or {}), patch: is_new}
        if is_new:
            self.outbound.append(command)
        return is_new

    def add_side_effect(self, function: LuaFunction) -> int:
        """Keep a side effect until it has run; returns its key."""
        self._last_side_effect += 1
        self.side_effects[self._last_side_effect] = function
        return self._last_side_effect

    def run_side_effect(self, key: int) -> Json | None:
        """Run a side effect on a copy; on any thread. Raises LuaError, and HostFailure for a limit."""
        return copying.run_side_effect(self.host, self.side_effects.pop(key))


def _event_of(cause: Exception) -> Event:
    """Return what it is when a workflow task fails."""
    if isinstance(cause, WorkflowLimitError):
        return events.LIMIT_REACHED
    return events.WORKFLOW_SUSPENDED if isinstance(cause, LuaError) else events.WORKFLOW_TASK_FAILED


_JOBS: dict[str, Callable[[Run, Any], None]] = {
    "cancel_workflow": Run._cancel,
    "do_update": messages.take_update,
    "fire_timer": Run._fire_timer,
    "resolve_activity": Run._resolve_activity,
    "resolve_child_workflow_execution": Run._resolve_child,
    "resolve_child_workflow_execution_start": Run._resolve_child_start,
    "resolve_nexus_operation": Run._resolve_nexus,
    "resolve_nexus_operation_start": Run._resolve_nexus_start,
    "resolve_request_cancel_external_workflow": Run._resolve_cancel_request,
    "resolve_signal_external_workflow": Run._resolve_signal,
    "signal_workflow": messages.take_signal_job,
}
