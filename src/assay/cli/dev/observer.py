"""Looks at the open workflows of a script's workers and reports them, from inside the script's process.

Here because only the workers know how to reach the server and how to decrypt what it keeps. The server says which
workflows are open, how their activities fare and how workflows ended; what an open run waits for, it says itself
(`temporal/workflow/run/waits.py`): here when it is in the worker's cache, else in answer to a query, which makes a
worker replay it. A query that is answered in a workflow task in which something else happens can leave the run stuck,
so none is asked while there is one.
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

_INTERVAL = 1.0, 5.0  # seconds between two looks; the more, the longer a look takes
_SHARE = 10  # a look is to take a tenth of the time
_LISTED = 200  # open workflows of a task queue that are listed
_SHOWN = 30  # … that are looked at
_FINISHED = 20  # of a task queue
_LOOK = 5.0  # seconds for one look at a worker's workflows: the SDK tries a call again for much longer
_TIMEOUT = timedelta(seconds=5)  # for the answer of a run
_SOON = 0.5  # seconds for which a look waits for it
_AGAIN = 15.0  # seconds until a run is asked again that has not answered
_FAILURES = 20
_THREAD = "assay-observer"
_CLOSED_WELL = "ExecutionStatus IN ('Completed', 'Canceled')"
_CLOSED_BADLY = "ExecutionStatus IN ('Failed', 'TimedOut', 'Terminated')"


def observe(services: list[Service], reports: IO[bytes]) -> None:
    """Begin to report, unless somebody does already."""
    if not any(thread.name == _THREAD for thread in threading.enumerate()):
        observer = _Observer(services, reports)
        threading.Thread(target=asyncio.run, args=(observer.run(),), name=_THREAD, daemon=True).start()


@dataclass
class _Known:
    """What a run has answered, and how long its history was when it was asked; nothing when it did not answer."""

    length: int = 0
    asked: float = 0
    asking: asyncio.Task[None] | None = None
    waits: list[Wait] | None = None
    details: str = ""

    def take(self, state: dict[str, Any] | None) -> None:
        """Take what the run says; None when it is busy."""
        if state is not None:
            self.waits, self.details = [Wait(**wait) for wait in state["waits"]], state["details"]

    def is_old(self, length: int) -> bool:
        """Return true if to ask (again)."""
        if self.asking is not None and not self.asking.done():
            return False
        return self.length != length or (self.waits is None and time.monotonic() > self.asked + _AGAIN)


@dataclass
class _Watch:
    """A worker with its connection, and what is known of its workflows."""

    worker: Worker
    client: Client
    began: datetime
    known: dict[str, _Known] = field(default_factory=dict)
    """By the run's id."""
    runs: list[Run] = field(default_factory=list)
    """The open ones, as they were at the last look that the server has answered."""
    more: int = 0
    """How many more are open."""
    finished: list[Finished] = field(default_factory=list)
    """The last ones that have ended well."""


class _Observer:
    def __init__(self, services: list[Service], reports: IO[bytes]) -> None:
        self._services = services
        self._reports = reports
        self._began = datetime.now(UTC)
        self._watches: dict[int, _Watch] = {}
        self._failures: OrderedDict[tuple[str, ...], Failure] = OrderedDict()
        self._closed: set[str] = set()
        """The runs whose end has been looked at."""
        self._finished: dict[str, Finished] = {}

    async def run(self) -> None:
        """Report repeatedly, until the reader is gone."""
        while True:
            began = time.monotonic()
            report = await self._look()
            try:
                self._reports.write(report.to_line())
            except OSError:
                return
            least, most = _INTERVAL
            await asyncio.sleep(min(max(least, _SHARE * (time.monotonic() - began)), most))

    async def _look(self) -> Report:
        report = Report()
        for worker in [service for service in list(self._services) if isinstance(service, Worker)]:
            options = worker.options
            queue = Queue(options.task_queue, *options.titles())
            report.queues.append(queue)
            watch = None
            try:
                async with asyncio.timeout(_LOOK):
                    watch = await self._watch(worker)
                    await self._look_at(watch)
            except Exception as error:  # the reports continue, whatever becomes of a look
                report.problem = _problem(error, watch)
            if watch is not None:
                queue.namespace = watch.client.namespace
                for run in watch.runs:
                    run.namespace = queue.namespace
                report.runs += watch.runs
                report.more += watch.more
                report.finished += watch.finished
        report.finished.sort(key=lambda finished: -finished.time)
        shown = {finished.run_id for finished in report.finished}
        self._finished = {run_id: finished for run_id, finished in self._finished.items() if run_id in shown}
        report.failures = sorted(self._failures.values(), key=lambda failure: -failure.time)
        return report

    async def _watch(self, worker: Worker) -> _Watch:
        watch = self._watches.get(id(worker))
        if watch is None:
            client = await connect_client("assay dev", worker.options, permissions=worker.permissions)
            watch = self._watches[id(worker)] = _Watch(worker, client, self._began)
        return watch

    async def _look_at(self, watch: _Watch) -> None:
        queue = watch.worker.options.task_queue.replace("'", "''")
        query = f"TaskQueue = '{queue}' AND ExecutionStatus = 'Running'"
        rows = [row async for row in watch.client.list_workflows(query, limit=_LISTED, page_size=_LISTED)]
        more = 0
        if len(rows) == _LISTED:
            more = max(0, (await watch.client.count_workflows(query)).count - _LISTED)
        watch.known = {row.run_id: watch.known[row.run_id] for row in rows if row.run_id in watch.known}
        watch.runs = [run for run in await asyncio.gather(*(self._run(watch, row) for row in rows[:_SHOWN])) if run]
        watch.runs += [Run(row.workflow_type, row.id, run_id=row.run_id, is_looked_at=False) for row in rows[_SHOWN:]]
        watch.more = more
        closed = f"TaskQueue = '{queue}' AND {_CLOSED_BADLY} AND CloseTime >= '{watch.began.isoformat()}'"
        async for row in watch.client.list_workflows(closed, limit=_FAILURES, page_size=_FAILURES):
            if row.run_id not in self._closed:
                self._closed.add(row.run_id)
                self._remember((row.run_id,), await failures.of_workflow(watch.client, row))
        await self._look_at_the_finished(watch, f"TaskQueue = '{queue}' AND {_CLOSED_WELL}")

    async def _look_at_the_finished(self, watch: _Watch, query: str) -> None:
        found = []
        async for row in watch.client.list_workflows(query, limit=_FINISHED, page_size=_FINISHED):
            known = self._finished.get(row.run_id)
            if known is None:
                known = self._finished[row.run_id] = await results.of_workflow(watch.client, row)
            found.append(known)
        watch.finished = found

    def _remember(self, key: tuple[str, ...], failure: Failure | None) -> None:
        """Keep a failure in the place of an earlier one of the same thing."""
        if failure is not None:
            self._failures[key] = failure
            self._failures.move_to_end(key)
            if len(self._failures) > _FAILURES:
                self._failures.popitem(last=False)

    async def _run(self, watch: _Watch, row: WorkflowExecution) -> Run | None:
        try:
            described = (await watch.client.get_workflow_handle(row.id, run_id=row.run_id).describe()).raw_description
        except RPCError as error:
            if error.status != RPCStatusCode.NOT_FOUND:
                raise
            return None  # it has ended meanwhile, or is older than what the server keeps
        run = Run(row.workflow_type, row.id, run_id=row.run_id)
        task = described.pending_workflow_task
        if task.attempt > 1:
            failure = await failures.of_workflow_task(watch.client, row)
            self._remember((row.run_id, "task"), failure)
            wait = Wait("workflow task", attempt=task.attempt)
            if failure is not None:
                wait.where, wait.note = failure.where, failure.message
            run.waits.append(wait)
            return run
        length = described.workflow_execution_info.history_length
        known = await self._ask(watch, row, length, is_busy=described.HasField("pending_workflow_task"))
        run.details = as_text(known.details)
        run.waits = [Wait(wait.what, wait.until, wait.where) for wait in known.waits or ()]
        await self._add_activities(watch.client, row, described, run)
        for child in described.pending_children if known.waits is None else ():
            run.waits.append(Wait(f"child workflow '{child.workflow_type_name}'"))
        return run

    async def _ask(self, watch: _Watch, row: WorkflowExecution, length: int, *, is_busy: bool) -> _Known:
        """What a run says of itself; one that is not here is asked when its history has grown since the last answer."""
        known = watch.known.setdefault(row.run_id, _Known())
        if watch.worker.has_run(row.run_id):
            known.take(await watch.worker.state_of(row.run_id))
        elif not is_busy and known.is_old(length):
            known.length, known.asked = length, time.monotonic()
            known.asking = asyncio.create_task(_query(watch.client, row, known))
            await asyncio.wait((known.asking,), timeout=_SOON)
        return known

    async def _add_activities(
        self, client: Client, row: WorkflowExecution, described: DescribeWorkflowExecutionResponse, run: Run
    ) -> None:
        """Say how the activities fare that a run waits for."""
        left = list(run.waits)
        for pending in described.pending_activities:
            what = f"activity '{pending.activity_type.name}'"
            wait = next((wait for wait in left if wait.what == what), None)
            if wait is None:
                run.waits.append(wait := Wait(what))
            else:
                left.remove(wait)
            wait.attempt = pending.attempt
            is_scheduled = pending.state == PendingActivityState.PENDING_ACTIVITY_STATE_SCHEDULED
            if is_scheduled and pending.attempt > 1:
                wait.again = pending.next_attempt_schedule_time.ToDatetime(UTC).timestamp()
            elif is_scheduled:
                wait.note = "in the queue"
            if pending.HasField("last_failure"):
                failure = await failures.of_failure(
                    client,
                    pending.last_failure,
                    f"{row.workflow_type} {row.id}: {what}, attempt {pending.attempt - 1}",
                    pending.last_attempt_complete_time.ToDatetime(UTC),
                )
                self._remember((row.run_id, pending.activity_id), failure)
                wait.note = f"{failure.where}: {failure.message}" if failure.where else failure.message


def _problem(error: Exception, watch: _Watch | None) -> str:
    is_gone = isinstance(error, TimeoutError) or (
        isinstance(error, RPCError) and error.status in (RPCStatusCode.UNAVAILABLE, RPCStatusCode.DEADLINE_EXCEEDED)
    )
    if is_gone:
        server = "the server" if watch is None else watch.client.service_client.config.target_host
        return f"{server} does not answer"
    return str(error) or type(error).__name__


async def _query(client: Client, row: WorkflowExecution, known: _Known) -> None:
    handle = client.get_workflow_handle(row.id, run_id=row.run_id)
    try:
        raw = await handle.query(STATE_QUERY, rpc_timeout=_TIMEOUT)
        state: Any = payloads.to_python(payloads.to_json(raw))
        known.take(state)
    except Exception:  # it is busy, or has ended; and a worker of another kind answers as it likes
        known.waits = None
