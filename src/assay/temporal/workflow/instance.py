"""The seam to the SDK: the workflow class of a registered Lua function.

Only this file knows what drives a run.
"""

from __future__ import annotations

import asyncio
import logging
import weakref
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from temporalio import workflow
from temporalio.api.sdk.v1 import WorkflowMetadata
from temporalio.common import RawValue, VersioningBehavior
from temporalio.exceptions import ApplicationError, FailureError

from assay.errors import BuiltinError, LuaError
from assay.lua.values import Json
from assay.temporal import payloads
from assay.temporal.failures import UnknownQueryError, describe, to_application_error
from assay.temporal.workflow import scopes
from assay.temporal.workflow.context import Context
from assay.temporal.workflow.host import ContinueAsNew, HostFailure, WorkflowHost, WorkflowLimits
from assay.temporal.workflow.messages import run_handler, take_signal
from assay.temporal.workflow.metadata import add_handlers
from assay.temporal.workflow.waits import STACK_QUERY, stack, state

logger = logging.getLogger(__name__)


@dataclass
class Settings:
    """What all workflows of a worker share.

    `runs` finds the host of a run that is in the cache; `payload_limit` is what the server takes, once the worker has
    asked it; `parts` are more parts of the private Lua side, for tools that look into runs. `local_activities` are the
    names that the worker has (None: whatever is asked for).
    """

    libraries: Mapping[str, tuple[str, bool]]
    limits: WorkflowLimits
    payload_limit: int = payloads.USUAL_LIMIT
    local_activities: Collection[str] | None = None
    parts: tuple[str, ...] = ()
    runs: weakref.WeakValueDictionary[str, WorkflowHost] = field(default_factory=weakref.WeakValueDictionary)


@dataclass(frozen=True)
class Snapshot:
    """What the runs of a workflow are made of.

    Attributes:
        name: Its type; None for the dynamic one, which runs for every type that is not registered.
        code: The function with all that it reaches.
        versioning: Where its runs go when there are several versions.
        suspend: An error that the function raises keeps the run open.
    """

    name: str | None
    code: bytes
    versioning: VersioningBehavior = VersioningBehavior.UNSPECIFIED
    suspend: bool = False


class Run:
    """One run: its host, and what the SDK asks of it."""

    def __init__(self, snapshot: Snapshot, settings: Settings) -> None:
        self._snapshot = snapshot
        self._settings = settings
        self._host = WorkflowHost(
            settings.libraries, settings.limits, suspend=snapshot.suspend, more_parts=settings.parts
        )
        self._host.payload_limit = settings.payload_limit
        self._host.local_activities = settings.local_activities
        settings.runs[workflow.info().run_id] = self._host

    async def execute(self, arguments: Sequence[RawValue]) -> RawValue:
        """Run the function to its end, and tell why the workflow fails if it does."""
        try:
            return await self._execute(arguments)
        except FailureError as error:
            fields = describe(error)
            if fields.get("category") != "benign":
                self._warn("failed: %s", fields["message"])
            raise

    async def _execute(self, arguments: Sequence[RawValue]) -> RawValue:
        host = self._host
        try:
            result = await host.supervise(self._run(arguments))
        except LuaError as error:
            outcome = host.outcome_of(error)
            raise outcome from outcome.__cause__
        except BuiltinError as error:
            raise ApplicationError(str(error), type="BadInput", non_retryable=True) from None
        except HostFailure as failure:
            raise failure.cause from None
        except ContinueAsNew as wanted:
            self._tell_what_is_left()
            workflow.continue_as_new(**wanted.order)
        except Exception:
            self._tell_what_is_left()
            raise
        self._tell_what_is_left()
        try:
            return payloads.result("the workflow's result", result, self._settings.payload_limit)
        except ApplicationError as error:
            if self._snapshot.suspend:
                raise LuaError(error.message) from None
            raise

    async def _run(self, arguments: Sequence[RawValue]) -> Json | None:
        host = self._host
        task = host.begin(self._snapshot.code, Context(host), payloads.as_json(arguments))
        result: Json | None = await host.drive(task, host.step(task))
        return result

    def _warn(self, text: str, *arguments: Any) -> None:
        info = workflow.info()
        if not workflow.unsafe.is_replaying():
            logger.warning(f"workflow '%s' (%s) {text}", info.workflow_type, info.workflow_id, *arguments)

    def _tell_what_is_left(self) -> None:
        mailbox = self._host.mailbox
        left = mailbox.running - mailbox.may_be_abandoned
        running = ", ".join(f"{title} ({count})" for title, count in sorted(left.items()))
        if running:
            text = "ended while handlers were running: %s; before it ends it can wait for ctx:all_handlers_finished()"
            self._warn(text, running)
        for future in self._host.unawaited:
            self._warn("ended, and nobody had waited for %s that failed: %s", future.title, future.failure())

    def signal(self, name: str, arguments: Sequence[RawValue]) -> None:
        """Give a signal to its handler, or keep it until it is waited for."""
        take_signal(self._host, name, payloads.as_json(arguments) or [Json(b"null")])

    def validate(self, name: str, arguments: Sequence[RawValue]) -> None:
        """Reject an update that nobody answers or that its validator refuses."""
        host = self._host
        found = host.mailbox.updates.find(name, payloads.as_json(arguments))
        if found is None:
            known = host.mailbox.updates.names()
            raise ApplicationError(f"update '{name}' is not registered (registered: {known})", type="UnknownUpdate")
        update, given = found
        if update.validator is not None:
            try:
                host.run_handler(update.validator, given)
            except LuaError as error:
                failure = to_application_error(error)
                raise failure from failure.__cause__

    async def update(self, name: str, arguments: Sequence[RawValue]) -> RawValue:
        """Answer an update that was accepted."""
        host = self._host
        task = asyncio.current_task()
        assert task is not None
        host.scope.add(task)
        scopes.enter(scopes.Scope(host.scope))
        try:
            found = host.mailbox.updates.find(name, payloads.as_json(arguments))
            assert found is not None  # it was validated
            work = run_handler(host, f"update '{name}'", *found)
            result = await scopes.to_its_end(work)
        except LuaError as error:
            outcome = host.outcome_of(error)
            raise outcome from outcome.__cause__
        except HostFailure as failure:
            raise failure.cause from None
        except ContinueAsNew:  # of another task: the run ends here
            await asyncio.get_running_loop().create_future()
            raise
        return payloads.result("the answer", result, self._settings.payload_limit)

    def query(self, name: str, arguments: Sequence[RawValue]) -> RawValue:
        """Ask a query handler."""
        host = self._host
        found = host.mailbox.queries.find(name, payloads.as_json(arguments))
        if found is None:
            raise UnknownQueryError(f"query '{name}' is not registered (registered: {host.mailbox.queries.names()})")
        handler, given = found
        try:
            answer = host.run_handler(handler.run, given)
            return payloads.result("the answer", answer, self._settings.payload_limit)
        except LuaError as error:
            raise to_application_error(error) from None

    def answer_tool(self, query: str) -> Any:
        """Tell what the run waits for."""
        return stack(self._host) if query == STACK_QUERY else state(self._host)

    def describe_handlers(self, metadata: WorkflowMetadata) -> None:
        """Tell which messages the run handles."""
        add_handlers(metadata, self._host.mailbox)


def workflow_class(snapshot: Snapshot, settings: Settings) -> type:
    """The class that the SDK runs for the Lua function in `snapshot`."""

    def init(self: Any) -> None:
        self.run_ = Run(snapshot, settings)

    async def run(self: Any, *arguments: RawValue) -> RawValue:
        result: RawValue = await self.run_.execute(arguments)
        return result

    async def run_any(self: Any, arguments: Sequence[RawValue]) -> RawValue:
        result: RawValue = await self.run_.execute(arguments)
        return result

    def on_signal(self: Any, name: str, arguments: Sequence[RawValue]) -> None:
        self.run_.signal(name, arguments)

    def on_query(self: Any, name: str, arguments: Sequence[RawValue]) -> RawValue:
        result: RawValue = self.run_.query(name, arguments)
        return result

    async def on_update(self: Any, name: str, arguments: Sequence[RawValue]) -> RawValue:
        result: RawValue = await self.run_.update(name, arguments)
        return result

    def validate_update(self: Any, name: str, arguments: Sequence[RawValue]) -> None:
        self.run_.validate(name, arguments)

    def answer_tool(self: Any, query: str) -> Any:
        return self.run_.answer_tool(query)

    def describe_handlers(self: Any, metadata: WorkflowMetadata) -> None:
        self.run_.describe_handlers(metadata)

    for function in (run, run_any, on_signal, on_query, on_update, validate_update):
        # The SDK refuses methods whose names show that their class was made inside a function, and a typed `self`.
        function.__qualname__ = f"LuaWorkflow.{function.__name__}"
        del function.__annotations__["self"]
    # The warning about handlers that have not finished is ours.
    abandon = workflow.HandlerUnfinishedPolicy.ABANDON
    update = workflow.update(dynamic=True, unfinished_policy=abandon)(on_update)
    members = {
        "__init__": init,
        "__qualname__": "LuaWorkflow",
        "run": workflow.run(run_any if snapshot.name is None else run),
        "on_signal": workflow.signal(dynamic=True)(on_signal),
        "on_query": workflow.query(dynamic=True)(on_query),
        "on_update": update,
        "validate_update": update.validator(validate_update),
        "answer_tool": answer_tool,
        "describe_handlers": describe_handlers,
    }
    cls = type("LuaWorkflow", (), members)
    versioning = snapshot.versioning
    if snapshot.name is None:
        return workflow.defn(dynamic=True, sandboxed=False, versioning_behavior=versioning)(cls)
    return workflow.defn(name=snapshot.name, sandboxed=False, versioning_behavior=versioning)(cls)
