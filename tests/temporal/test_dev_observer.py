"""The workflows that `assay dev` shows: it does not query those in its worker's cache, as a query can block a run."""

from __future__ import annotations

import asyncio
import io

import pytest
from temporalio.client import Client

from assay import Runtime
from assay.cli.dev import observer
from assay.cli.dev.report import Report
from temporal_runs import until_history_has
from timeouts import TIMEOUT

WORKER = """
temporal.worker({ task_queue = "QUEUE", url = "ADDRESS", workflows = { Waits = function(ctx)
  ctx:set_current_details("for its owner")
  ctx:wait_signal("approve")
end } })
"""


async def test_a_run_in_the_cache_is_shown_without_a_query(
    temporal_server: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    async def query(_client: Client, row: object, known: object) -> None:
        asked.append(str(row))

    monkeypatch.setattr(observer, "_query", query)
    async with Runtime() as runtime:
        await runtime.run(WORKER.replace("QUEUE", name).replace("ADDRESS", temporal_server))
        client = await Client.connect(temporal_server)
        handle = await client.start_workflow("Waits", id=name, task_queue=name)
        await until_history_has(handle, "WORKFLOW_TASK_COMPLETED")
        watching = observer._Observer(runtime._running().services.running, io.BytesIO())
        report = Report()
        async with asyncio.timeout(TIMEOUT):
            while not (report.runs and report.runs[0].waits):
                report = await watching._make_report()
        assert report.runs[0].details == "for its owner"
        assert [wait.what for wait in report.runs[0].waits] == ["signal 'approve'"]
        assert asked == []
        await handle.signal("approve")
        await handle.result()
