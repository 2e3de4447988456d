"""The seam to the SDK: the workflow class of a registered Lua function.

Only this file knows what drives a run.
"""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from temporalio import workflow
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError

from assay.errors import BuiltinError, LuaError
from assay.lua.values import Json
from assay.temporal import payloads
from assay.temporal.failures import UnknownQueryError, to_application_error
from assay.temporal.workflow.context import Context
from assay.temporal.workflow.host import HostFailure, WorkflowHost, WorkflowLimits


@dataclass
class Settings:
    """What all workflows of a worker share.

    `runs` finds the host of a run that is in the cache; `suspend` keeps a run open whose function raised an error;
    `payload_limit` is what the server takes, once the worker has asked it.
    """

    libraries: Mapping[str, tuple[str, bool]]
    limits: WorkflowLimits
    suspend: bool = False
    payload_limit: int = payloads.USUAL_LIMIT
    runs: weakref.WeakValueDictionary[str, WorkflowHost] = field(default_factory=weakref.WeakValueDictionary)


class Run:
    """One run: its host, and what the SDK asks of it."""

    def __init__(self, snapshot: bytes, settings: Settings) -> None:
        self._snapshot = snapshot
        self._settings = settings
        self._host = WorkflowHost(settings.libraries, settings.limits)
        self._host.payload_limit = settings.payload_limit
        settings.runs[workflow.info().run_id] = self._host

    async def execute(self, arguments: Sequence[RawValue]) -> RawValue:
        """Run the function to its end."""
        host = self._host
        try:
            task = host.begin(self._snapshot, Context(host), payloads.as_json(arguments))
            result = await host.drive(task, host.step(task))
        except LuaError as error:
            if error.origin is not None:
                raise error.origin from error.origin.__cause__
            if self._settings.suspend:
                raise
            raise to_application_error(error) from None
        except BuiltinError as error:
            raise ApplicationError(str(error), type="BadInput", non_retryable=True) from None
        except HostFailure as failure:
            raise failure.cause from None
        try:
            return payloads.result("the workflow's result", result, self._settings.payload_limit)
        except ApplicationError as error:
            if self._settings.suspend:
                raise LuaError(error.message) from None
            raise

    def signal(self, name: str, arguments: Sequence[RawValue]) -> None:
        """Keep a signal until it is waited for."""
        values = payloads.as_json(arguments)
        self._host.signals.setdefault(name, deque()).append(values[0] if values else Json(b"null"))

    def query(self, name: str, arguments: Sequence[RawValue]) -> RawValue:
        """Ask a query handler."""
        host = self._host
        handler = host.queries.get(name)
        if handler is None:
            known = ", ".join(sorted(host.queries)) or "none"
            raise UnknownQueryError(f"query '{name}' is not registered (registered: {known})")
        try:
            answer = host.run_copy(handler, payloads.as_json(arguments), live=False)
            return payloads.result("the answer", answer, self._settings.payload_limit)
        except LuaError as error:
            raise to_application_error(error) from None


def workflow_class(name: str, snapshot: bytes, settings: Settings) -> type:
    """The class that the SDK runs for the Lua function in `snapshot`."""

    def init(self: Any) -> None:
        self.run_ = Run(snapshot, settings)

    async def run(self: Any, *arguments: RawValue) -> RawValue:
        result: RawValue = await self.run_.execute(arguments)
        return result

    def on_signal(self: Any, name: str, arguments: Sequence[RawValue]) -> None:
        self.run_.signal(name, arguments)

    def on_query(self: Any, name: str, arguments: Sequence[RawValue]) -> RawValue:
        result: RawValue = self.run_.query(name, arguments)
        return result

    for function in (run, on_signal, on_query):
        # The SDK refuses methods whose names show that their class was made inside a function, and a typed `self`.
        function.__qualname__ = f"LuaWorkflow.{function.__name__}"
        del function.__annotations__["self"]
    members = {
        "__init__": init,
        "__qualname__": "LuaWorkflow",
        "run": workflow.run(run),
        "on_signal": workflow.signal(dynamic=True)(on_signal),
        "on_query": workflow.query(dynamic=True)(on_query),
    }
    cls = type("LuaWorkflow", (), members)
    return workflow.defn(name=name, sandboxed=False)(cls)
