"""The resource `c.workflows`."""

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
from assay.temporal.rest.resource import NamespaceOptions, Resource, RunOptions
from assay.temporal.rest.transport import items, malformed, page_token, segment, table

RUNNING = "WORKFLOW_EXECUTION_STATUS_RUNNING"

_OPEN = (RUNNING, "WORKFLOW_EXECUTION_STATUS_PAUSED")
_MAX_POLL = 20.0
"""Maximum duration of a long poll, in seconds."""
_MIN_POLL = 0.5
"""Minimum time between two polls, in seconds."""
_VISIBILITY_DELAY = 3.0
"""Seconds until a new workflow appears in lists, which are searched for an id with a slash."""
_GRACE = 0.5
"""Extra time for the last response after the deadline, in seconds."""


@dataclass(kw_only=True)
class SearchOptions(NamespaceOptions):
    """Options of `c.workflows:search`.

    Attributes:
        page_size: Maximum number of executions per page.
        next_page_token: Token of the page to return, from the result of the previous page.
    """

    page_size: int | None = None
    next_page_token: str | None = None


@dataclass(kw_only=True)
class ListOptions(SearchOptions):
    """Options of `c.workflows:list`.

    Attributes:
        query: Visibility query, such as `WorkflowType = 'Order' AND ExecutionStatus = 'Running'`; all if omitted.
    """

    query: str | None = None


@dataclass(kw_only=True)
class HistoryOptions(RunOptions):
    """Options of `c.workflows:history`.

    Attributes:
        maximum_page_size: Maximum number of events per page; event batches are never split.
        next_page_token: Token of the page to return, from the result of the previous page.
    """

    maximum_page_size: int | None = None
    next_page_token: str | None = None


@dataclass
class ExecutionList:
    """A page of workflow executions.

    Attributes:
        executions: Descriptions of the executions, open and most recent first.
        next_page_token: Token of the next page; absent on the last page.
    """

    executions: list[dict[str, Any]]
    next_page_token: str | None


@dataclass
class History:
    """A page of a workflow's history.

    Attributes:
        events: Events in order, with decoded payloads.
        next_page_token: Token of the next page; absent on the last page.
    """

    events: list[dict[str, Any]]
    next_page_token: str | None


def _run_id(positional: str | None, options: RunOptions | None) -> str | None:
    return positional or (options.run_id if options is not None else None)


class Workflows(Resource):
    """The workflows of a namespace.

    Results have the field names of Temporal's HTTP API, in which 64-bit integers are strings. Payloads are decoded,
    except those with a custom encoding. Lists are eventually consistent: a new workflow appears after a short delay.

    The HTTP API cannot address an id that contains a slash. `get`, `is_running` and `wait_complete` look it up with a
    visibility query, which returns fewer fields; the other methods raise an error.
    """

    lua_name: ClassVar[str] = "assay.temporal.Workflows"
    lua_prefix: ClassVar[str] = "c.workflows"

    @method
    async def list(self, options: ListOptions | None = None) -> ExecutionList:
        """List workflow executions.

        Args:
            options: Namespace, query and page to return.
        """
        options = options or ListOptions()
        parameters = {"query": options.query, "pageSize": options.page_size, "nextPageToken": options.next_page_token}
        response = await self._transport.get(self._path(options, "workflows"), parameters)
        return ExecutionList(items(response, "executions"), page_token(response))

    @method
    async def get(
        self, workflow_id: str, run_id: str | None = None, options: RunOptions | None = None
    ) -> dict[str, Any]:
        """Describe a workflow; the result includes `workflowExecutionInfo`, which has the `status`.

        Args:
            workflow_id: Workflow id.
            run_id: Run id; the latest run if omitted.
            options: Namespace.
        """
        run_id = _run_id(run_id, options)
        if "/" in workflow_id:
            namespace = options.namespace if options is not None else None
            query = visibility.of_workflow(workflow_id, run_id)
            result = await self.list(ListOptions(namespace=namespace, query=query, page_size=10))
            return {"workflowExecutionInfo": visibility.latest(result.executions, workflow_id)}
        response = await self._transport.get(self._workflow_path(workflow_id, options), {"execution.runId": run_id})
        execution = table(table(response, "workflowExecutionInfo"), "execution")
        if execution.get("workflowId") != workflow_id:
            raise malformed(f"it describes the workflow '{execution.get('workflowId')}'")
        return response

    @method
    async def history(
        self, workflow_id: str, run_id: str | None = None, options: HistoryOptions | None = None
    ) -> History:
        """Return the events of a workflow.

        Args:
            workflow_id: Workflow id.
            run_id: Run id; the latest run if omitted.
            options: Namespace and page to return.
        """
        options = options or HistoryOptions()
        parameters = {
            "execution.runId": _run_id(run_id, options),
            "maximumPageSize": options.maximum_page_size,
            "nextPageToken": options.next_page_token,
        }
        response = await self._transport.get(self._workflow_path(workflow_id, options) + "/history", parameters)
        return History(items(table(response, "history"), "events"), page_token(response))

    @method
    async def signal(
        self, workflow_id: str, signal_name: str, input: Json | None = None, options: RunOptions | None = None
    ) -> dict[str, Any]:
        """Send a signal to a running workflow and return the response. Raises an error for a closed workflow.

        Args:
            workflow_id: Workflow id.
            signal_name: Name of the signal.
            input: Argument of the signal, any JSON-serializable value (in Python `Json.of(value)`).
            options: Namespace and run id.
        """
        body = {"input": payloads.encode(input)} if input is not None else {}
        signal = segment(signal_name, "signal_name")
        return await self._post(workflow_id, f"signal/{signal}", options, body)

    @method
    async def terminate(
        self, workflow_id: str, reason: str | None = None, options: RunOptions | None = None
    ) -> dict[str, Any]:
        """Terminate a workflow immediately, without notifying its code, and return the response.

        Args:
            workflow_id: Workflow id.
            reason: Reason, recorded in the history.
            options: Namespace and run id.
        """
        return await self._post(workflow_id, "terminate", options, {"reason": reason or ""})

    @method
    async def cancel(self, workflow_id: str, options: RunOptions | None = None) -> dict[str, Any]:
        """Request cancellation of a workflow and return the response.

        Args:
            workflow_id: Workflow id.
            options: Namespace and run id.
        """
        return await self._post(workflow_id, "cancel", options, {})

    @method
    async def search(self, query: str, options: SearchOptions | None = None) -> ExecutionList:
        """List the workflow executions that match a visibility query.

        Args:
            query: Visibility query, such as `WorkflowType = 'Order' AND ExecutionStatus = 'Running'`.
            options: Namespace and page to return.
        """
        return await self.list(ListOptions(query=query, **vars(options or SearchOptions())))

    @method
    async def is_running(self, workflow_id: str, options: RunOptions | None = None) -> bool:
        """Return true if a workflow's status is RUNNING. Raises an error for an unknown workflow.

        Args:
            workflow_id: Workflow id.
            options: Namespace and run id.
        """
        return bool(_info(await self.get(workflow_id, None, options)).get("status") == RUNNING)

    @method
    async def wait_complete(
        self, workflow_id: str, timeout_secs: float, options: RunOptions | None = None
    ) -> dict[str, Any]:
        """Wait for a workflow to close and return the result of `get`. Raises an error of kind "timeout".

        Without a run id, also wait for the runs that the workflow continues as.

        Args:
            workflow_id: Workflow id.
            timeout_secs: Maximum time to wait, in seconds; `math.huge` for no limit.
            options: Namespace and run id.
        """
        import asyncio

        if not timeout_secs >= 0:
            raise BuiltinError(f"bad argument 'timeout_secs' (non-negative number expected, got {timeout_secs})")
        start = time.monotonic()
        deadline = start + timeout_secs
        try:
            async with asyncio.timeout(None if math.isinf(timeout_secs) else timeout_secs + _GRACE):
                while True:
                    workflow = await self._get_if_available(workflow_id, options, start)
                    if workflow is not None and _info(workflow).get("status") not in _OPEN:
                        return workflow
                    remaining = deadline - time.monotonic()
                    if remaining <= 0:
                        break
                    next_poll = time.monotonic() + min(remaining, _MIN_POLL)
                    if workflow is None or not await self._poll(_info(workflow), remaining, options):
                        await asyncio.sleep(next_poll - time.monotonic())
        except TimeoutError:
            pass
        raise RestError(f"timed out after {timeout_secs:g} s: workflow '{workflow_id}' has not ended", kind="timeout")

    @method
    async def __call__(self, options: ListOptions | None = None) -> ExecutionList:
        """List workflow executions; same as `c.workflows:list`.

        Args:
            options: Namespace, query and page to return.
        """
        return await self.list(options)

    def _workflow_path(self, workflow_id: str, options: NamespaceOptions | None) -> str:
        """Return the path of a workflow."""
        return self._path(options, f"workflows/{segment(workflow_id, 'workflow_id')}")

    async def _post(
        self, workflow_id: str, action: str, options: RunOptions | None, body: dict[str, Any]
    ) -> dict[str, Any]:
        run_id = options.run_id if options is not None else None
        if run_id is not None:
            body["workflowExecution"] = {"runId": run_id}
        return await self._transport.post(f"{self._workflow_path(workflow_id, options)}/{action}", body)

    async def _get_if_available(
        self, workflow_id: str, options: RunOptions | None, start: float
    ) -> dict[str, Any] | None:
        """Return the result of `get`; None if the server is busy or the workflow may not be listed yet."""
        try:
            return await _unless_busy(self.get(workflow_id, None, options))
        except RestError as error:
            if error.kind != "not_found" or "/" not in workflow_id or time.monotonic() - start > _VISIBILITY_DELAY:
                raise
            return None

    async def _poll(self, info: dict[str, Any], seconds: float, options: RunOptions | None) -> bool:
        """Wait for a run to close, for the duration of a long poll; return true if it has closed."""
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
        headers = {"Grpc-Timeout": f"{math.ceil(seconds * 1000) + 1000}m"}  # the server ends a poll one second early
        path = self._workflow_path(workflow_id, options) + "/history"
        response = await _unless_busy(self._transport.get(path, parameters, headers))
        return response is not None and bool(items(table(response, "history"), "events"))


async def _unless_busy(call: Awaitable[dict[str, Any]]) -> dict[str, Any] | None:
    """Await a response; return None if the server limits the rate, or if a proxy times out."""
    try:
        return await call
    except RestError as error:
        if error.status in (429, 504):
            return None
        raise


def _info(workflow: dict[str, Any]) -> dict[str, Any]:
    return table(workflow, "workflowExecutionInfo")
