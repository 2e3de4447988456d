"""The engine of one workflow run: `Run.activate` takes an activation of Core and returns the commands that follow.

Every activation is processed in this order, live and on replay:

1. Patch markers of the history and a new random seed are stored.
2. If the activation starts the run, the workflow function runs until it waits for the first time, and so do the fibers
   that it has started. Other jobs of the same activation come later, so that they find the handlers that the function
   registers.
3. The other jobs are applied in the order in which Core lists them, which is the order of the history. A result becomes
   available to its waiter; a signal goes to its handler or into the mailbox. No Lua code runs yet.
4. Each job gets its turn, in the same order. First the fibers that the job wakes run, one after the other, each until
   it waits: the fiber whose timer fired or whose command was resolved, the fiber that waits for the signal, a new fiber
   for a handler, or the fibers that a cancel request reaches. Then the fibers that these have started run, and so on.
   A new dynamic signal handler gets the earlier signals that no task has asked for.
5. After the last turn, conditions are evaluated in the order in which they began to wait, and fibers whose condition
   holds run. A workflow that waits for a condition therefore sees all messages of the activation before it ends.
6. If no condition holds, the oldest local activity ends if Core has resolved it, and step 5 is repeated.
7. Queries are answered.

So it makes no difference whether messages arrive in one activation or in several, with three exceptions: conditions; a
result that is available wins over a cancel request; and `poll_signal` sees a signal before its turn, so that a workflow
can drain late signals before it ends.

This module knows nothing about threads, event loops, files or the clock: time comes from the activation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Protocol

from temporalio.api.failure.v1 import Failure
from temporalio.common import MetricMeter

from assay import events
from assay.errors import BuiltinError, LuaError
from assay.events import Event
from assay.lua.declare import Function
from assay.lua.values import Json
from assay.temporal.core.protos import (
    InitializeWorkflow,
    WorkflowActivation,
    WorkflowActivationCompletion,
    WorkflowActivationJob,
    WorkflowCommand,
)
from assay.temporal.data import failures, payloads
from assay.temporal.workflow.run import jobs, messages
from assay.temporal.workflow.run.attributes import Attributes
from assay.temporal.workflow.run.backlog import Backlog
from assay.temporal.workflow.run.fibers import Fiber, Update
from assay.temporal.workflow.run.flags import Flag, Flags
from assay.temporal.workflow.run.mailbox import Mailbox
from assay.temporal.workflow.run.outbound import Outbound
from assay.temporal.workflow.run.patches import Patches
from assay.temporal.workflow.run.scopes import Scope
from assay.temporal.workflow.run.start import ActivationInfo, Start, read_arguments
from assay.temporal.workflow.sandbox import copying
from assay.temporal.workflow.sandbox.errors import HostFailure, WorkflowLimitError, is_cancellation, origin_of
from assay.temporal.workflow.sandbox.host import WorkflowHost
from assay.temporal.workflow.sandbox.parts import CONVERTING, STARTING
from assay.temporal.workflow.sandbox.python_memory import PythonMemory
from assay.temporal.workflow.sandbox.randomness import RandomStreams
from assay.temporal.workflow.settings import Definition, Settings

if TYPE_CHECKING:
    from assay.lua.function import LuaFunction
    from assay.temporal.workflow.run.activities import LocalActivity

Turn = list[Callable[[], object]]
"""Functions to call in the turn of a job, in order."""


class UnawaitedFuture(Protocol):
    """A future that has failed and that nothing has awaited."""

    title: str

    def failure_text(self) -> str:
        """Return the message of the failure."""


class Condition(Protocol):
    """A pending `ctx:wait_condition`."""

    def check(self) -> None:
        """Evaluate the predicate, and wake the waiting fiber if it holds."""


class ContinueAsNew(BaseException):
    """Raised by `ctx:continue_as_new` to end the run; `command` is the command for Core."""

    def __init__(self, command: WorkflowCommand) -> None:
        super().__init__("continue as new")
        self.command = command


class Run:
    """A workflow run: its Lua state, its fibers, and the entries that they wait for."""

    def __init__(
        self,
        definition: Definition,
        settings: Settings,
        act: WorkflowActivation,
        make_context: Callable[[Run], object],
    ) -> None:
        """Create the run of an activation with an `initialize_workflow` job, to be passed to `activate` next.

        `make_context` creates the `ctx` of the workflow function. Raises UnknownFlagError.
        """
        start = next(job.initialize_workflow for job in act.jobs if job.HasField("initialize_workflow"))
        self.definition = definition
        self.settings = settings
        self.start = Start(start, act.run_id)
        self.activation = ActivationInfo(act)
        self.flags = Flags(act.available_internal_flags, is_new=not act.is_replaying)
        self.outbound = Outbound()
        self.backlog = Backlog(self.outbound)
        """Commands that do not fit into the current workflow task."""
        self.mailbox = Mailbox()
        self.scope = Scope()
        """Root scope, which a cancel request of the workflow cancels."""
        self.fiber: Fiber | None = None
        """The running fiber."""
        self.cancel_reason: str | None = None
        """Reason of the cancel request, empty if none was given; None without a cancel request."""
        self.validating: Update | None = None
        """Update whose validator is running."""
        self.details = ""
        """Current details, shown in the Web UI."""
        self.attributes = Attributes(self.start, settings.reporter)
        self.unawaited: dict[UnawaitedFuture, None] = {}
        """Futures that have failed and have not been awaited, in order."""
        self.conditions: list[Condition] = []
        self.local_activities: list[LocalActivity] = []
        """Local activities whose end the workflow has not seen yet, in the order in which they were started."""
        self.side_effects: dict[int, LuaFunction] = {}
        self.is_over = False
        self._make_context = make_context
        self._queue: Turn = []
        """Functions of the current turn; they may append more."""
        self._turns: list[Turn] = []
        """Remaining turns of the activation, the next one last."""
        self.patches = Patches(self.outbound)
        self.randomness = RandomStreams(start.randomness_seed)
        self._last_side_effect = 0
        self._root: Fiber | None = None
        self.host = WorkflowHost(
            settings.libraries,
            settings.limits,
            self,
            copy_cache=settings.copy_cache,
            more_parts=settings.parts,
            hash_seed=settings.hash_seed,
            prints_in_replay=settings.prints_in_replay,
        )
        self._python_memory = PythonMemory(self._owned, (Run, WorkflowHost, Settings, Definition, Start, Function))
        self.host.count_memory(self._python_memory)

    # The activation -----------------------------------------------------------------------------------------

    def activate(self, act: WorkflowActivation) -> WorkflowActivationCompletion:
        """Process the jobs of an activation; return the commands that follow, or the failure of the workflow task."""
        completion = WorkflowActivationCompletion(run_id=act.run_id)
        completion.successful.SetInParent()
        if self.definition.versioning.value:
            completion.successful.versioning_behavior = self.definition.versioning.value
        self.outbound.begin(completion.successful.commands, act.history_length)
        self.activation = ActivationInfo(act)
        self.host.limits.begin_activation()
        self._python_memory.add(act.ByteSize())
        was_over = self.is_over
        try:
            self._process(act.jobs, completion)
        except ContinueAsNew as request:
            self._finish(request.command)
            self._drop_turns()
            if self.fiber is not None:
                self.fiber.abandon()
        except HostFailure as failure:
            self._drop_turns()
            self._fail_task(completion, failure.cause)
        if self.is_over and not was_over and completion.HasField("successful"):
            messages.report_unfinished(self)
        self.outbound.end()
        return completion

    def shrink(self) -> None:
        """Free what the Lua state does not need while the run waits, and loads again afterwards.

        Does nothing if a local activity or a side effect is running, which may use the state on another thread.
        """
        if not (self.is_over or self.local_activities or self.side_effects):
            self.host.shrink(*STARTING, *CONVERTING)

    def _process(self, given: Iterable[WorkflowActivationJob], completion: WorkflowActivationCompletion) -> None:
        queries = []
        start = None
        others = []
        for job in given:
            match job.WhichOneof("variant"):
                case "notify_has_patch":
                    self.patches.note_marker(job.notify_has_patch.patch_id)
                case "update_random_seed":
                    self.randomness.reseed(job.update_random_seed.randomness_seed)
                case "initialize_workflow":
                    start = job.initialize_workflow
                case "query_workflow":
                    queries.append(job.query_workflow)
                case variant:
                    others.append((jobs.APPLY[variant or ""], getattr(job, variant or "")))
        if start is not None:
            completion.successful.used_internal_flags.extend(self.flags.numbers())
            self._begin(start)
            self._run_until_idle()
        for apply, job in others:
            apply(self, job)
            self._turns.append(self._queue)
            self._queue = []
        self._turns.reverse()
        while self._turns:
            self._queue = self._turns.pop()
            self._run_queue()
        if others:
            self._run_until_idle()
        for query in queries:
            messages.respond_to_query(self, query)

    def _begin(self, start: InitializeWorkflow) -> None:
        try:
            arguments = read_arguments(start.arguments)
        except BuiltinError as error:
            text = f"cannot read the workflow's input: {error}"
            self._fail(failures.application(text, "BadInput", non_retryable=True))
            return
        if self.settings.spans is not None:
            self.settings.spans.started(self)
        task = self.host.begin(self.definition.code, self._make_context(self), arguments)
        self._root = Fiber(self, lambda: task, self.scope)
        self._root.ended.when_done(self._on_function_end)
        self._root.begin()

    def _run_until_idle(self) -> None:
        """Run the queue, conditions and resolved local activities until every fiber waits for Core."""
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
            for call in queue:  # includes what the calls append
                call()
            queue.clear()
            messages.deliver_to_dynamic_handler(self)

    def _drop_turns(self) -> None:
        self._queue.clear()
        self._turns.clear()

    def enqueue(self, call: Callable[[], object]) -> None:
        """Call a function after those that are in the queue."""
        self._queue.append(call)

    # The end ------------------------------------------------------------------------------------------------

    def _on_function_end(self) -> None:
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
        """Fail the run with an uncaught Lua error, or only its workflow task (`suspend`); end a cancelled run."""
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
        self._fail(failures.of_lua_error(error) if origin is None else failures.without_stack_trace(origin))

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
        self.host.waits.clear()  # a run that has ended waits for nothing, whatever its fibers were doing

    def send(self, command: WorkflowCommand) -> None:
        """Send a command that must not be rejected: the end of the run, or the response to an update."""
        if self.flags.has(Flag.SPREAD_OVER_TASKS):
            self.backlog.send(command)
        else:
            self.outbound.append(command)

    def _fail_task(self, completion: WorkflowActivationCompletion, cause: Exception) -> None:
        if isinstance(cause, LuaError):
            failure = failures.of_lua_error(cause)
            traceback = cause.traceback
        else:
            failure = failures.application(str(cause) or repr(cause), type(cause).__name__)
            traceback = ""
        self.report(_event_of(cause), f": the workflow task failed: {failure.message}", traceback, error=cause)
        completion.failed.failure.CopyFrom(self.outgoing(failure))

    def outgoing(self, failure: Failure) -> Failure:
        """Return a failure to send, with its message and stack trace where the codec, if any, encrypts them."""
        if self.settings.hides_failures:
            failures.hide(failure)
        return failure

    def warn(self, event: Event, text: str) -> None:
        """Report an event of the run, except during replay."""
        if not self.activation.is_replaying:
            self.report(event, text)

    def report(self, event: Event, text: str, traceback: str = "", *, error: BaseException | None = None) -> None:
        """Report an event of the run. `text` follows the name of the workflow; `traceback` is a Lua traceback."""
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

    def _owned(self) -> Iterable[object]:
        """Return the objects that belong to this run, for its memory limit."""
        run = (self.mailbox, self.outbound, self.backlog, self.attributes, self.details, self.patches, self.scope)
        pending = (self._turns, self._queue, self.conditions, self.local_activities, self.side_effects, self.unawaited)
        return (*run, *pending, *self.host.owned())

    def close(self) -> None:
        """Free the Lua state. The run must not be used afterwards."""
        self._drop_turns()
        self.host.close_state()

    # Time -------------------------------------------------------------------------------------------------

    @property
    def now(self) -> float:
        """Workflow time in seconds since 1970-01-01 UTC."""
        return self.activation.now

    @property
    def started(self) -> float:
        """Start time of the run in seconds since 1970-01-01 UTC."""
        return self.start.started

    @property
    def is_replaying(self) -> bool:
        """True while the run is being replayed."""
        return self.activation.is_replaying

    @property
    def names(self) -> dict[str, str]:
        """Names of the run, as fields of a log line."""
        start = self.start
        return {"workflow_type": start.workflow_type, "workflow_id": start.workflow_id, "run_id": start.run_id}

    # For ctx ------------------------------------------------------------------------------------------------

    def current_scope(self) -> Scope:
        """Return the scope of the running fiber."""
        assert self.fiber is not None
        return self.fiber.scope

    def begin_fiber(self, task: int, scope: Scope) -> Fiber:
        """Create a fiber for a Lua task; it starts when the running fiber waits."""
        fiber = Fiber(self, lambda: task, scope, self.fiber.update if self.fiber is not None else None)
        fiber.begin()
        return fiber

    def meter(self) -> MetricMeter:
        """Return the metric meter of the run's workflow type."""
        meter = self.settings.meter
        return MetricMeter.noop if meter is None else meter(self.start.workflow_type)

    def add_side_effect(self, function: LuaFunction) -> int:
        """Store the function of a side effect until it has run; return its key."""
        self._last_side_effect += 1
        self.side_effects[self._last_side_effect] = function
        return self._last_side_effect

    def run_side_effect(self, key: int) -> Json | None:
        """Run a side effect on a copy of the state; thread-safe. Raises LuaError, and HostFailure for a limit."""
        return copying.run_side_effect(self.host, self.side_effects.pop(key))


def _event_of(cause: Exception) -> Event:
    """Return the event to report when a workflow task fails."""
    if isinstance(cause, WorkflowLimitError):
        return events.LIMIT_REACHED
    return events.WORKFLOW_SUSPENDED if isinstance(cause, LuaError) else events.WORKFLOW_TASK_FAILED
