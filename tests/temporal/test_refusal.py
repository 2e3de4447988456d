"""A server that rejects a worker: permanently, or until the worker's permissions are restored."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from temporalio.service import RPCError, RPCStatusCode

from assay.errors import ErrorObject
from assay.temporal.connection.configuration import Settings
from assay.temporal.telemetry.reporter import Reporter
from assay.temporal.worker import outage
from assay.temporal.worker.loops import PollRejectedError
from assay.temporal.worker.outage import Outage
from command import read_until, wait_for
from temporal_script import Script
from timeouts import TIMEOUT

SETTINGS = Settings(address="there:7233", namespace="default", api_key="secret", tls=False, metadata={})
DENIED = RPCError("Request unauthorized.", RPCStatusCode.PERMISSION_DENIED, b"")
GONE = RPCError("Namespace x is not found.", RPCStatusCode.NOT_FOUND, b"")
REFUSED = PollRejectedError('Poll failure: status: Status { code: PermissionDenied, message: "Request unauthorized." }')


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The logged messages, with the server probed continuously."""
    lines: list[str] = []
    monkeypatch.setattr(Reporter, "report", lambda self, event, message: lines.append(message))
    monkeypatch.setattr(outage, "PROBE_INTERVAL", 0.001)
    return lines


def server(*answers: RPCError | None) -> Any:
    """A connection to a server that returns these responses, and then repeats the last one."""
    left = list(answers)

    async def describe_task_queue(*_arguments: Any, **_options: Any) -> None:
        answer = left.pop(0) if len(left) > 1 else left[0]
        if answer is not None:
            raise answer

    return cast(Any, SimpleNamespace(workflow_service=SimpleNamespace(describe_task_queue=describe_task_queue)))


async def watched(service: Any, until: Callable[[list[ErrorObject]], bool]) -> list[ErrorObject]:
    """Watch a server until a condition holds; returns the errors that stop the worker."""
    errors: list[ErrorObject] = []
    watching = asyncio.create_task(Outage(service, SETTINGS, "q", Reporter()).watch(errors.append))
    async with asyncio.timeout(TIMEOUT):
        while not until(errors):  # noqa: ASYNC110
            await asyncio.sleep(0.001)
    watching.cancel()
    return errors


async def test_a_key_that_is_refused_is_reported_once(said: list[str]) -> None:
    assert await watched(server(None, DENIED, DENIED, DENIED, DENIED, None), lambda _: bool(said)) == []
    assert said == ["the Temporal server at there:7233 does not accept the worker (Request unauthorized.); retrying"]


async def test_a_namespace_that_is_gone_ends_the_worker(said: list[str]) -> None:
    [error, *_] = await watched(server(None, GONE), bool)
    assert str(error) == (
        "temporal.worker: the Temporal server at there:7233 rejects the worker: Namespace x is not found."
    )


async def test_a_server_that_is_only_starting_does_not_end_the_worker(said: list[str]) -> None:
    assert await watched(server(None, GONE, GONE, None, GONE, DENIED), lambda _: len(said) == 2) == []


async def test_a_caller_that_may_poll_but_not_ask_is_left_alone(said: list[str]) -> None:
    errors: list[ErrorObject] = []
    watching = asyncio.create_task(Outage(server(DENIED), SETTINGS, "q", Reporter()).watch(errors.append))
    await asyncio.sleep(0.1)
    watching.cancel()
    assert (said, errors) == ([], [])


async def test_a_refused_worker_waits_until_it_is_accepted(said: list[str]) -> None:
    watch = Outage(server(DENIED, DENIED, None), SETTINGS, "q", Reporter())
    await asyncio.wait_for(watch.until_accepted(REFUSED, asyncio.Event()), TIMEOUT)
    assert len(said) == 1


async def test_a_refused_worker_stops_waiting_when_it_is_shut_down(said: list[str]) -> None:
    stop = asyncio.Event()
    waiting = asyncio.create_task(Outage(server(DENIED), SETTINGS, "q", Reporter()).until_accepted(REFUSED, stop))
    await asyncio.sleep(0.01)
    stop.set()
    await asyncio.wait_for(waiting, TIMEOUT)


@pytest.mark.parametrize(
    ("task_queue", "reason"),
    [("/_sys/x", "invalid task queue partition name /_sys/x"), ("x" * 1001, "taskQueue length exceeds limit")],
    ids=["reserved", "too long"],
)
def test_a_task_queue_that_the_server_never_accepts(lua: Script, task_queue: str, reason: str) -> None:
    result = lua.run("temporal.worker({ task_queue = arg[1], activities = { a = function() end } })", task_queue)
    assert result.returncode == 1
    assert f"temporal.worker: bad option 'task_queue' (rejected by the server: {reason})" in result.stderr


def test_a_deleted_namespace_ends_the_process(lua: Script, name: str, tmp_path: Path) -> None:
    namespace = name.replace("_", "-")
    lua.cli_text("operator", "namespace", "create", "--namespace", namespace)
    script = lua.command.script(
        "temporal.worker({ task_queue = 'q', namespace = arg[1], activities = { a = function() end } }) print('up')"
    )

    def is_known() -> bool:
        return lua.command.run("exec", "-e", f"temporal.worker({{ {options} }}) os.exit(0)").returncode == 0

    options = f"task_queue = 'q', namespace = '{namespace}', activities = {{ a = print }}"
    wait_for(is_known)
    with lua.command.started(script, namespace, stderr=subprocess.PIPE) as process:
        read_until(process, "up")
        lua.cli_text("operator", "namespace", "delete", "--namespace", namespace, "--yes")
        assert process.wait(120) == 1
        assert process.stderr is not None
        output = process.stderr.read()
    assert f"rejects the worker: Namespace {namespace} is not found." in output
    assert "Traceback" not in output
