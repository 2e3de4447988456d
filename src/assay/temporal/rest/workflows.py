"""`c.workflows`."""

from __future__ import annotations

import math
import time
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any, ClassVar

from assay.errors import BuiltinError, RestError
from assay.lua.declare import method
from assay.lua.values import Json
from assay.temporal.rest import payloads, visibility
from assay.temporal.rest.part import NamespaceOptions, Part, RunOptions
from assay.temporal.rest.transport import items, malformed, page_token, segment, table

RUNNING = "WORKFLOW_EXECUTION_STATUS_RUNNING"

_OPEN = (RUNNING, "WORKFLOW_EXECUTION_STATUS_PAUSED")
_MAX_POLL = 20.0  # seconds that the server holds a long poll
_MIN_POLL = 0.5  # seconds between two polls that nothing has ended
_LISTS_LAG = 3.0  # seconds after which a new workflow is in lists, where one whose id has a slash is looked up
_GRACE = 0.5  # seconds that the last answer may take after the end of the time


@dataclass(kw_only=True)
class SearchOptions(NamespaceOptions):
    """How much to list.

    Attributes:
        page_size: How many to list at most.
        next_page_token: Continue where an answer with this token ended.
    """

    page_size: int | None = None
    next_page_token: str | None = None


@dataclass(kw_only=True)
class ListOptions(SearchOptions):
    """Which workflows to list.

    Attributes:
        query: A visibility query, like `WorkflowType = 'Order' AND ExecutionStatus = 'Running'`; all when left out.
    """

    query: str | None = None


@dataclass(kw_only=True)
class HistoryOptions(RunOptions):
    """Which part of a history.

    Attributes:
        maximum_page_size: How many events to get at most; but always whole batches.
        next_page_token: Continue where an answer with this token ended.
    """

    maximum_page_size: int | None = None
    next_page_token: str | None = None


@dataclass
class ExecutionList:
    """Workflow executions.

    Attributes:
        executions: What the server says of each, the running ones and the latest first.
        next_page_token: The option with which to ask for more; absent at the end.
    """

    executions: list[dict[str, Any]]
    next_page_token: str | None


@dataclass
class History:
    """Events of a workflow.

    Attributes:
        events: The events in their order, with payloads decoded.
        next_page_token: The option with which to ask for more; absent at the end.
    """

    events: list[dict[str, Any]]
    next_page_token: str | None


def _run_id(positional: str | None, options: RunOptions | None) -> str | None:
    return positional or (options.run_id if options is not None else None)


class Workflows(Part):
    """The workflows of a namespace.

    The server's answers keep its own field names, as its HTTP API documents them; 64-bit integers are strings there.
    Payloads are decoded; one with an encoding of someone's own stays as it came. A new workflow appears in lists after
    a moment.

    An id with a slash cannot be addressed in a path: `get`, `is_running` and `wait_complete` find it by a visibility
    query, which returns less; for the other methods it is an error.
    """

    lua_name: ClassVar[str] = "assay.temporal.Workflows"
    lua_prefix: ClassVar[str] = "c.workflows"

    @method
    async def list(self, options: ListOptions | None = None) -> ExecutionList:
        """List workflow executions.

        Args:
            options: Which to list.
        """
        given = options or ListOptions()
        parameters = {"query": given.query, "pageSize": given.page_size, "nextPageToken": given.next_page_token}
        answer = await self._transport.get(self._path(given, "workflows"), parameters)
        return ExecutionList(items(answer, "executions"), page_token(answer))

    @method
    async def get(
        self, workflow_id: str, run_id: str | None = None, options: RunOptions | None = None
    ) -> dict[str, Any]:
        """Tell what the server knows of a workflow: `workflowExecutionInfo` with its `status`, and more.

        Args:
            workflow_id: The workflow.
            run_id: One run of it; the latest when left out.
            options: Where to look.
        """
        run_id = _run_id(run_id, options)
        if "/" in workflow_id:
            namespace = options.namespace if options is not None else None
            query = visibility.of_workflow(workflow_id, run_id)
            found = await self.list(ListOptions(namespace=namespace, query=query, page_size=10))
            return {"workflowExecutionInfo": visibility.latest(found.executions, workflow_id)}
        answer = await self._transport.get(self._of(workflow_id, options), {"execution.runId": run_id})
        execution = table(table(answer, "workflowExecutionInfo"), "execution")
        if execution.get("workflowId") != workflow_id:
            raise malformed(f"it is about the workflow '{execution.get('workflowId')}'")
        return answer

    @method
    async def history(
        self, workflow_id: str, run_id: str | None = None, options: HistoryOptions | None = None
    ) -> History:
        """Return the events of a workflow.

        Args:
            workflow_id: The workflow.
            run_id: One run of it; the latest when left out.
            options: Which part of its history.
        """
        given = options or HistoryOptions()
        parameters = {
            "execution.runId": _run_id(run_id, given),
            "maximumPageSize": given.maximum_page_size,
            "nextPageToken": given.next_page_token,
        }
        answer = await self._transport.get(self._of(workflow_id, given) + "/history", parameters)
        return History(items(table(answer, "history"), "events"), page_token(answer))

    @method
    async def signal(
        self, workflow_id: str, signal_name: str, input: Json | None = None, options: RunOptions | None = None
    ) -> dict[str, Any]:
        """Send a signal to a running workflow; a closed one is an error. Returns the server's answer.

        Args:
            workflow_id: The workflow.
            signal_name: The signal.
            input: What the workflow gets with it, any value that JSON can carry (in Python `Json.of(value)`).
            options: Which run of it.
        """
        body = {"input": payloads.encode(input)} if input is not None else {}
        signal = segment(signal_name, "signal_name")
        return await self._post(workflow_id, f"signal/{signal}", options, body)

    @method
    async def terminate(
        self, workflow_id: str, reason: str | None = None, options: RunOptions | None = None
    ) -> dict[str, Any]:
        """End a workflow at once, without asking it. Returns the server's answer.

        Args:
            workflow_id: The workflow.
            reason: Why; kept in the history.
            options: Which run of it.
        """
        return await self._post(workflow_id, "terminate", options, {"reason": reason or ""})

    @method
    async def cancel(self, workflow_id: str, options: RunOptions | None = None) -> dict[str, Any]:
        """Ask a workflow to cancel. Returns the server's answer.

        Args:
            workflow_id: The workflow.
            options: Which run of it.
        """
        return await self._post(workflow_id, "cancel", options, {})

    @method
    async def search(self, query: str, options: SearchOptions | None = None) -> ExecutionList:
        """List the workflow executions that a visibility query finds.

        Args:
            query: The query, like `WorkflowType = 'Order' AND ExecutionStatus = 'Running'`.
            options: How much to list.
        """
        return await self.list(ListOptions(query=query, **vars(options or SearchOptions())))

    @method
    async def is_running(self, workflow_id: str, options: RunOptions | None = None) -> bool:
        """Return true if a workflow's status is RUNNING; an unknown workflow is an error.

        Args:
            workflow_id: The workflow.
            options: Which run of it.
        """
        return bool(_info(await self.get(workflow_id, None, options)).get("status") == RUNNING)

    @method
    async def wait_complete(
        self, workflow_id: str, timeout_secs: float, options: RunOptions | None = None
    ) -> dict[str, Any]:
        """Wait until a workflow has ended, however it did; returns what `get` does. An error of kind "timeout" if not.

        When no run is named, what the workflow continues as is waited for too.

        Args:
            workflow_id: The workflow.
            timeout_secs: Seconds to wait; `math.huge` for no limit.
            options: Which run of it.
        """
        import asyncio

        if not timeout_secs >= 0:
            raise BuiltinError(f"bad argument 'timeout_secs' (a number from 0 up expected, got {timeout_secs})")
        began = time.monotonic()
        deadline = began + timeout_secs
        try:
            async with asyncio.timeout(None if math.isinf(timeout_secs) else timeout_secs + _GRACE):
                while True:
                    workflow = await self._found(workflow_id, options, began)
                    if workflow is not None and _info(workflow).get("status") not in _OPEN:
                        return workflow
                    remaining = deadline - time.monotonic()
                    if remaining <= 0:
                        break
                    pause = time.monotonic() + min(remaining, _MIN_POLL)
                    if workflow is None or not await self._poll(_info(workflow), remaining, options):
                        await asyncio.sleep(pause - time.monotonic())
        except TimeoutError:
            pass
        raise RestError(f"timed out after {timeout_secs:g} s: workflow '{workflow_id}' has not ended", kind="timeout")

    @method
    async def __call__(self, options: ListOptions | None = None) -> ExecutionList:
        """List workflow executions: the same as `c.workflows:list`.

        Args:
            options: Which to list.
        """
        return await self.list(options)

    def _of(self, workflow_id: str, options: NamespaceOptions | None) -> str:
        """The path of a workflow."""
        return self._path(options, f"workflows/{segment(workflow_id, 'workflow_id')}")

    async def _post(
        self, workflow_id: str, action: str, options: RunOptions | None, body: dict[str, Any]
    ) -> dict[str, Any]:
        run_id = options.run_id if options is not None else None
        if run_id is not None:
            body["workflowExecution"] = {"runId": run_id}
        return await self._transport.post(f"{self._of(workflow_id, options)}/{action}", body)

    async def _found(self, workflow_id: str, options: RunOptions | None, began: float) -> dict[str, Any] | None:
        """Return what `get` says; None when the server is busy, or when the workflow may be too new for lists."""
        try:
            return await _unless_busy(self.get(workflow_id, None, options))
        except RestError as error:
            if error.kind != "not_found" or "/" not in workflow_id or time.monotonic() - began > _LISTS_LAG:
                raise
            return None

    async def _poll(self, info: dict[str, Any], seconds: float, options: RunOptions | None) -> bool:
        """Wait until a run has ended, for as long as the server holds a long poll; returns whether it has."""
        execution = table(info, "execution")
        workflow_id = str(execution.get("workflowId"))
        if "/" in workflow_id:
            return False
        parameters = {
            "execution.runId": execution.get("runId"),
            "waitNewEvent": "true",
            "historyEventFilterType": "HISTORY_EVENT_FILTER_TYPE_CLOSE_EVENT",
        }
        seconds = min(seconds, _MAX_POLL, self._transport.timeout / 2)
        headers = {"Grpc-Timeout": f"{math.ceil(seconds * 1000) + 1000}m"}  # the server ends a poll a second before
        path = self._of(workflow_id, options) + "/history"
        answer = await _unless_busy(self._transport.get(path, parameters, headers))
        return answer is not None and bool(items(table(answer, "history"), "events"))


async def _unless_busy(call: Awaitable[dict[str, Any]]) -> dict[str, Any] | None:
    """Await an answer; None when the server limits its rate, or when something before it is less patient than we."""
    try:
        return await call
    except RestError as error:
        if error.status in (429, 504):
            return None
        raise


def _info(workflow: dict[str, Any]) -> dict[str, Any]:
    return table(workflow, "workflowExecutionInfo")
