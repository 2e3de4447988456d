"""`/livez` and `/readyz` of a worker, and `assay health`, as containers use them."""

from __future__ import annotations

import asyncio
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from assay.temporal.dev_server.server import DevServer
from assay.temporal.worker import health
from command import Command, read_until, wait_for
from prometheus import free_port, scrape
from status_page import get
from temporal_script import Script
from timeouts import TIMEOUT

WORKER = """
temporal.worker({
  task_queue = arg[1],
  health = arg[2],
  graceful_shutdown_timeout = 60,
  activities = {
    wait = function()
      print("began")
      while not fs.exists("end") do sleep(0.05) end
    end,
  },
})
print("up")
"""

TWO_WORKERS = """
local function start(queue)
  return temporal.worker({ task_queue = queue, health = arg[2], activities = { work = function() end } })
end
local first = start(arg[1])
start(arg[1] .. "-2")
print("up")
while not fs.exists("end") do sleep(0.05) end
first:shutdown()
print("one is left")
"""

BY_COMMAND = WORKER.replace("health = arg[2],", "")


@pytest.fixture
def address() -> str:
    """An address for a worker's health endpoints."""
    return f"127.0.0.1:{free_port()}"


@pytest.fixture
def started(lua: Script, name: str, address: str) -> Iterator[None]:
    """A polling worker with its health endpoints at `address`."""
    with lua.command.started(lua.command.script(WORKER), name, address) as worker:
        read_until(worker, "up")
        yield


@pytest.mark.usefixtures("started")
def test_a_polling_worker_lives_and_is_ready(address: str) -> None:
    assert get(address, "/livez") == (200, "ok\n")
    assert get(address, "/readyz") == (200, "ok\n")


@pytest.mark.usefixtures("started")
def test_other_paths_and_methods_are_refused(address: str) -> None:
    assert get(address, "/")[0] == 404
    assert get(address, "/livez", "POST")[0] == 405
    assert get(address, "/livez", "HEAD") == (200, "")


@pytest.mark.usefixtures("started")
@pytest.mark.parametrize("options", [(), ("--ready",)])
def test_the_command_ends_with_0_for_a_healthy_worker(lua: Script, address: str, options: tuple[str, ...]) -> None:
    result = lua.command.run("health", *options, address)
    assert (result.returncode, result.stdout, result.stderr) == (0, "ok\n", "")


def test_a_draining_worker_lives_and_is_not_ready(lua: Script, name: str, address: str) -> None:
    with lua.command.started(lua.command.script(WORKER), name, address) as worker:
        read_until(worker, "up")
        lua.cli_text("activity", "start", "--activity-id", name, "--type", "wait", "--task-queue", name,
                     "--start-to-close-timeout", "100s")  # fmt: skip
        read_until(worker, "began")
        worker.send_signal(signal.SIGTERM)
        wait_for(lambda: get(address, "/readyz") == (503, f"task queue '{name}': draining\n"))
        assert get(address, "/livez") == (200, "ok\n")
        asked = lua.command.run("health", "--ready", address)
        assert (asked.returncode, asked.stderr) == (1, f"assay: task queue '{name}': draining\n")
        (lua.folder / "end").touch()
        assert worker.wait(TIMEOUT) == 0


def test_a_worker_is_not_ready_while_the_server_is_away(assay: Command, tmp_path: Path, address: str) -> None:
    with DevServer(ui=False, db=tmp_path / "server.db") as server:
        assay.environment["TEMPORAL_ADDRESS"] = server.address
        with assay.started(assay.script(WORKER), "q", address) as worker:
            read_until(worker, "up")
            server.stop()
            wait_for(lambda: get(address, "/readyz")[0] == 503)
            assert get(address, "/livez") == (200, "ok\n")
            with DevServer(ui=False, db=tmp_path / "server.db", port=server.port):
                wait_for(lambda: get(address, "/readyz") == (200, "ok\n"))


def test_workers_of_a_process_share_an_address(lua: Script, name: str, address: str) -> None:
    with lua.command.started(lua.command.script(TWO_WORKERS), name, address) as worker:
        read_until(worker, "up")
        assert get(address, "/readyz") == (200, "ok\n")
        (lua.folder / "end").touch()
        read_until(worker, "one is left")
        wait_for(lambda: get(address, "/readyz") == (200, "ok\n"))


def test_the_option_of_the_command_takes_the_place_of_the_scripts(lua: Script, name: str, address: str) -> None:
    other = f"127.0.0.1:{free_port()}"
    with lua.command.started("run", "--health", address, lua.command.script(WORKER), name, other) as worker:
        read_until(worker, "up")
        assert get(address, "/readyz") == (200, "ok\n")
        assert get(other, "/readyz")[0] == 0


async def test_a_worker_whose_loop_is_blocked_does_not_live(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "LOOP_TIMEOUT", 0.05)
    joined, unblocked = threading.Event(), threading.Event()

    async def block() -> None:
        async with health.served(address, "blocked", lambda: None):
            joined.set()
            unblocked.wait()

    async with health.served(address, "turning", lambda: None):
        thread = threading.Thread(target=asyncio.run, args=(block(),))
        thread.start()
        try:
            await asyncio.to_thread(joined.wait, TIMEOUT)
            answer = await asyncio.to_thread(get, address, "/livez")
            assert answer == (503, "task queue 'blocked': the worker's event loop is blocked\n")
        finally:
            unblocked.set()
            await asyncio.to_thread(thread.join)
        assert await asyncio.to_thread(get, address, "/livez") == (200, "ok\n")


def test_metrics_may_be_at_the_address_of_the_health(lua: Script, name: str, address: str) -> None:
    metrics = TWO_WORKERS.replace("health = arg[2],", "health = arg[2], metrics = { prometheus = arg[2] },")
    with lua.command.started(lua.command.script(metrics), name, address) as worker:
        read_until(worker, "up")
        assert get(address, "/readyz") == (200, "ok\n")
        shown = scrape(address)
        assert f'task_queue="{name}"' in shown
        assert f'task_queue="{name}-2"' in shown
        (lua.folder / "end").touch()
        read_until(worker, "one is left")
        wait_for(lambda: get(address, "/metrics")[0] == 200)
        assert f'task_queue="{name}-2"' in scrape(address)


def test_a_port_that_is_taken_is_an_error(lua: Script, name: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        result = lua.run(WORKER, name, address)
    assert result.returncode == 1
    message = f"temporal.worker: bad option 'health' (cannot listen on {address}: address already in use)"
    assert message in result.stderr


def test_a_bad_address_in_the_script_is_an_error(lua: Script, name: str) -> None:
    result = lua.run(WORKER, name, "8080")
    assert "temporal.worker: bad option 'health' (IP:PORT expected, got '8080')" in result.stderr


def test_a_bad_address_of_the_command_is_a_usage_error(assay: Command) -> None:
    result = assay.run("run", "--health", "here:1", assay.script(BY_COMMAND))
    assert result.returncode == 2
    assert "bad option '--health' (IP:PORT expected, got 'here:1')" in result.stderr


def test_the_command_ends_with_1_where_no_worker_answers(assay: Command, address: str) -> None:
    result = assay.run("health", address)
    assert (result.returncode, result.stderr) == (
        1,
        f"assay: no answer from a worker at {address}: Connection refused\n",
    )


def test_the_command_asks_loopback_for_a_worker_on_all_interfaces(lua: Script, name: str, address: str) -> None:
    everywhere = address.replace("127.0.0.1", "0.0.0.0")
    with lua.command.started(lua.command.script(WORKER), name, everywhere) as worker:
        read_until(worker, "up")
        assert lua.command.run("health", everywhere).returncode == 0


def test_the_command_refuses_what_is_not_an_address(assay: Command) -> None:
    result = assay.run("health", "here")
    assert result.returncode == 2
    assert "bad argument 'ADDRESS' (IP:PORT expected, got 'here')" in result.stderr
