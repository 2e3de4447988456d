"""The workflow in Python in the guide for users of other SDKs behaves like the one in Lua."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.exceptions import ActivityError, ApplicationError
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from guide_programs import output
from guides import blocks

GUIDE = "docs/from-other-sdks.md"


@activity.defn
async def withdraw(transfer: dict[str, Any]) -> str:
    if transfer["amount"] > 1000:
        raise ApplicationError("over the limit", type="Limit", non_retryable=True)
    return f"w-{transfer['from']}"


@activity.defn
async def deposit(transfer: dict[str, Any]) -> str:
    return f"d-{transfer['to']}"


async def test_the_workflow_in_python(temporal_server: str, name: str) -> None:
    (code,) = blocks(GUIDE, "python no-run")
    scope: dict[str, Any] = {
        "__name__": __name__,
        "asyncio": asyncio,
        "timedelta": timedelta,
        "workflow": workflow,
        "ActivityError": ActivityError,
    }
    exec(code, scope)
    client = await Client.connect(temporal_server)
    async with Worker(
        client,
        task_queue=name,
        workflows=[scope["Transfer"]],
        activities=[withdraw, deposit],
        workflow_runner=UnsandboxedWorkflowRunner(),
    ):
        results = [
            await client.execute_workflow(
                "Transfer",
                {"from": "ann", "to": "bob", "amount": amount},
                id=f"{name}-{amount}",
                task_queue=name,
                start_signal="approve",
                start_signal_args=[True],
            )
            for amount in (50, 5000)
        ]
    assert results == [json.loads(line) for line in output(GUIDE).splitlines()]
