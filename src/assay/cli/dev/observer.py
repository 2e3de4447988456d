"""Observes the workflows of a script's workers and reports them, from inside the script's process.

It runs there because only the workers know how to connect to the server and decrypt its payloads. The server returns
open workflows, the state of their activities, and results of closed workflows. What an open run waits for comes from
the run itself (`temporal/workflow/run/waits.py`): directly if the run is in the worker's cache, otherwise by a query,
which makes a worker replay it. A query answered in a workflow task that also makes progress can leave the run stuck, so
no query is sent while a workflow task is pending.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import IO, Any

from temporalio.api.enums.v1 import PendingActivityState
from temporalio.api.workflowservice.v1 import DescribeWorkflowExecutionResponse
from temporalio.client import Client, WorkflowExecution
from temporalio.service import RPCError, RPCStatusCode

from assay.cli.dev import failures, results
from assay.cli.dev.details import as_text
from assay.cli.dev.report import Failure, Finished, Queue, Report, Run, Wait
from assay.lua.services import Service
from assay.temporal.client.connect import connect_client
from assay.temporal.data import payloads
from assay.temporal.worker.worker import Worker
from assay.temporal.workflow.run.waits import STATE_QUERY

_MIN_INTERVAL, _MAX_INTERVAL = 1.0, 5.0  # seconds between reports; longer if a report takes long
_INTERVAL_FACTOR = 10  # an observation takes at most a tenth of the time
_MAX_LISTED = 200  # open workflows per task queue that are listed
_MAX_DESCRIBED = 30  # … that are described in detail
_MAX_FINISHED = 20  # finished workflows per task queue
_MAX_FAILURES = 20
_OBSERVE_TIMEOUT = 5.0  # seconds per worker: the SDK retries a call for much longer
_QUERY_TIMEOUT = timedelta(seconds=5)
_QUERY_WAIT = 0.5  # seconds that a report waits for the answer to a query
_QUERY_RETRY = 15.0  # seconds until a query without an answer is sent again
_THREAD = "assay-observer"
_CLOSED_WELL = "ExecutionStatus IN ('Completed', 'Canceled')"
_CLOSED_BADLY = "ExecutionStatus IN ('Failed', 'TimedOut', 'Terminated')"


def observe(services: list[Service], reports: IO[bytes]) -> None:
    """Start the observer thread unless it is running."""
    if not any(thread.name == _THREAD for thread in threading.enumerate()):
        observer = _Observer(services, reports)
        threading.Thread(target=asyncio.run, args=(observer.run(),), name=_THREAD, daemon=True).start()


@dataclass
class _RunState:
    """Last known state of a run.

    Attributes:
        length: Length of its history when it was queried.
        queried: Time of the last query.
        query: The running query.
        waits: What the run waits for; None if it has not answered.
        details: Current details of the run, as Markdown.
    """

    length: int = 0
    queried: float = 0
    query: asyncio.Task[None] | None = None
    waits: list[Wait] | None = None
    details: str = ""

    def update(self, state: dict[str, Any] | None) -> None:
        """Set the state reported by the run; None if the run is busy."""
        if state is not None:
            self.waits, self.details = [Wait(**wait) for wait in state["waits"]], state["details"]

    def is_stale(self, length: int) -> bool:
        """Return true if the run must be queried (again)."""
        if self.query is not None and not self.query.done():
            return False
        return self.length != length or (self.waits is None and time.monotonic() > self.queried + _QUERY_RETRY)


@dataclass
class _ObservedWorker:
    """A worker with its connection and its workflows.

    Attributes:
        worker: The worker.
        client: Client of its server.
        began: Start of the observation; earlier failures are not reported.
        states: States of its runs, by run id.
        runs: Open runs at the last successful observation.
        more: Number of further open runs.
        finished: Workflows that completed or were cancelled last.
    """

    worker: Worker
    client: Client
    began: datetime
    states: dict[str, _RunState] = field(default_factory=dict)
    runs: list[Run] = field(default_factory=list)
    more: int = 0
    finished: list[Finished] = field(default_factory=list)


class _Observer:
    def __init__(self, services: list[Service], reports: IO[bytes]) -> None:
        self._services = services
        self._reports = reports
        self._began = datetime.now(UTC)
        self._observed: dict[int, _ObservedWorker] = {}
        self._failures: OrderedDict[tuple[str, ...], Failure] = OrderedDict()
        self._closed: set[str] = set()
        """Ids of failed runs that have been processed."""
        self._finished: dict[str, Finished] = {}

    async def run(self) -> None:
        """Send reports until the reader closes the pipe."""
        while True:
            began = time.monotonic()
            report = await self._make_report()
            try:
                self._reports.write(report.to_line())
            except OSError:
                return
            interval = _INTERVAL_FACTOR * (time.monotonic() - began)
            await asyncio.sleep(min(max(_MIN_INTERVAL, interval), _MAX_INTERVAL))

    async def _make_report(self) -> Report:
        report = Report()
        for worker in [service for service in list(self._services) if isinstance(service, Worker)]:
            options = worker.options
            queue = Queue(options.task_queue, *options.titles())
            report.queues.append(queue)
            observed = None
            try:
                async with asyncio.timeout(_OBSERVE_TIMEOUT):
                    observed = await self._connected(worker)
                    await self._observe(observed)
            except Exception as error:  # reported; the next report tries again
                report.problem = _problem(error, observed)
            if observed is not None:
                queue.namespace = observed.client.namespace
                for run in observed.runs:
                    run.namespace = queue.namespace
                report.runs += observed.runs
                report.more += observed.more
                report.finished += observed.finished
        report.finished.sort(key=lambda finished: -finished.time)
        shown = {finished.run_id for finished in report.finished}
        self._finished = {run_id: finished for run_id, finished in self._finished.items() if run_id in shown}
        report.failures = sorted(self._failures.values(), key=lambda failure: -failure.time)
        return report

    async def _connected(self, worker: Worker) -> _ObservedWorker:
        observed = self._observed.get(id(worker))
        if observed is None:
            client = await connect_client("assay dev", worker.options, permissions=worker.permissions)
            observed = self._observed[id(worker)] = _ObservedWorker(worker, client, self._began)
        return observed

    async def _observe(self, observed: _ObservedWorker) -> None:
        client = observed.client
        queue = observed.worker.options.task_queue.replace("'", "''")
        query = f"TaskQueue = '{queue}' AND ExecutionStatus = 'Running'"
        rows = [row async for row in client.list_workflows(query, limit=_MAX_LISTED, page_size=_MAX_LISTED)]
        more = 0
        if len(rows) == _MAX_LISTED:
            more = max(0, (await client.count_workflows(query)).count - _MAX_LISTED)
        observed.states = {row.run_id: observed.states[row.run_id] for row in rows if row.run_id in observed.states}
        described = await asyncio.gather(*(self._describe(observed, row) for row in rows[:_MAX_DESCRIBED]))
        observed.runs = [run for run in described if run]
        observed.runs += [
            Run(row.workflow_type, row.id, run_id=row.run_id, is_described=False) for row in rows[_MAX_DESCRIBED:]
        ]
        observed.more = more
        closed = f"TaskQueue = '{queue}' AND {_CLOSED_BADLY} AND CloseTime >= '{observed.began.isoformat()}'"
        async for row in client.list_workflows(closed, limit=_MAX_FAILURES, page_size=_MAX_FAILURES):
            if row.run_id not in self._closed:
                self._closed.add(row.run_id)
                self._add_failure((row.run_id,), await failures.of_workflow(client, row))
        observed.finished = await self._list_finished(client, f"TaskQueue = '{queue}' AND {_CLOSED_WELL}")

    async def _list_finished(self, client: Client, query: str) -> list[Finished]:
        listed = []
        async for row in client.list_workflows(query, limit=_MAX_FINISHED, page_size=_MAX_FINISHED):
            finished = self._finished.get(row.run_id)
            if finished is None:
                finished = self._finished[row.run_id] = await results.of_workflow(client, row)
            listed.append(finished)
        return listed

    def _add_failure(self, key: tuple[str, ...], failure: Failure | None) -> None:
        """Add a failure, replacing an earlier one with the same key."""
        if failure is not None:
            self._failures[key] = failure
            self._failures.move_to_end(key)
            if len(self._failures) > _MAX_FAILURES:
                self._failures.popitem(last=False)

    async def _describe(self, observed: _ObservedWorker, row: WorkflowExecution) -> Run | None:
        client = observed.client
        try:
            described = (await client.get_workflow_handle(row.id, run_id=row.run_id).describe()).raw_description
        except RPCError as error:
            if error.status != RPCStatusCode.NOT_FOUND:
                raise
            return None  # it has ended in the meantime, and may be past its retention
        run = Run(row.workflow_type, row.id, run_id=row.run_id)
        task = described.pending_workflow_task
        if task.attempt > 1:
            failure = await failures.of_workflow_task(client, row)
            self._add_failure((row.run_id, "task"), failure)
            wait = Wait("workflow task", attempt=task.attempt)
            if failure is not None:
                wait.where, wait.note = failure.where, failure.message
            run.waits.append(wait)
            return run
        length = described.workflow_execution_info.history_length
        state = await self._state(observed, row, length, is_busy=described.HasField("pending_workflow_task"))
        run.details = as_text(state.details)
        run.waits = [Wait(wait.what, wait.until, wait.where) for wait in state.waits or ()]
        await self._add_activities(client, row, described, run)
        for child in described.pending_children if state.waits is None else ():
            run.waits.append(Wait(f"child workflow '{child.workflow_type_name}'"))
        return run

    async def _state(
        self, observed: _ObservedWorker, row: WorkflowExecution, length: int, *, is_busy: bool
    ) -> _RunState:
        """Return the state of a run: from the worker's cache, or by a query if its history has grown."""
        state = observed.states.setdefault(row.run_id, _RunState())
        if observed.worker.has_run(row.run_id):
            state.update(await observed.worker.state_of(row.run_id))
        elif not is_busy and state.is_stale(length):
            state.length, state.queried = length, time.monotonic()
            state.query = asyncio.create_task(_query(observed.client, row, state))
            await asyncio.wait((state.query,), timeout=_QUERY_WAIT)
        return state

    async def _add_activities(
        self, client: Client, row: WorkflowExecution, described: DescribeWorkflowExecutionResponse, run: Run
    ) -> None:
        """Add the state of the pending activities to the waits of a run."""
        remaining = list(run.waits)
        for pending in described.pending_activities:
            what = f"activity '{pending.activity_type.name}'"
            wait = next((wait for wait in remaining if wait.what == what), None)
            if wait is None:
                run.waits.append(wait := Wait(what))
            else:
                remaining.remove(wait)
            wait.attempt = pending.attempt
            is_scheduled = pending.state == PendingActivityState.PENDING_ACTIVITY_STATE_SCHEDULED
            if is_scheduled and pending.attempt > 1:
                wait.next_attempt = pending.next_attempt_schedule_time.ToDatetime(UTC).timestamp()
            elif is_scheduled:
                wait.note = "in the queue"
            if pending.HasField("last_failure"):
                failure = await failures.of_failure(
                    client,
                    pending.last_failure,
                    f"{row.workflow_type} {row.id}: {what}, attempt {pending.attempt - 1}",
                    pending.last_attempt_complete_time.ToDatetime(UTC),
                )
                self._add_failure((row.run_id, pending.activity_id), failure)
                wait.note = f"{failure.where}: {failure.message}" if failure.where else failure.message


def _problem(error: Exception, observed: _ObservedWorker | None) -> str:
    is_unavailable = isinstance(error, TimeoutError) or (
        isinstance(error, RPCError) and error.status in (RPCStatusCode.UNAVAILABLE, RPCStatusCode.DEADLINE_EXCEEDED)
    )
    if is_unavailable:
        server = "the server" if observed is None else observed.client.service_client.config.target_host
        return f"{server} does not answer"
    return str(error) or type(error).__name__


async def _query(client: Client, row: WorkflowExecution, state: _RunState) -> None:
    handle = client.get_workflow_handle(row.id, run_id=row.run_id)
    try:
        raw = await handle.query(STATE_QUERY, rpc_timeout=_QUERY_TIMEOUT)
        answer: Any = payloads.to_python(payloads.to_json(raw))
        state.update(answer)
    except Exception:  # the run is busy or has ended, or a worker of another SDK gave an unexpected answer
        state.waits = None
