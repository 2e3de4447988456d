"""`assay run --processes`: real processes that share a queue, ports and addresses, and are killed."""

from __future__ import annotations

import http.client
import json
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest

from assay.cli.processes.supervisor import EXIT_UNSTABLE
from command import wait_for
from prometheus import free_port, scrape
from status_page import get
from temporal_script import Script
from timeouts import TIMEOUT

WORKER = """
temporal.worker({
  task_queue = arg[1],
  graceful_shutdown_timeout = 60,
  metrics = arg[2] and { prometheus = arg[2] },
  activities = {
    wait = function(name)
      fs.write("began-" .. name, "")
      while not fs.exists("end") do sleep(0.05) end
      return "ended well"
    end,
  },
  workflows = {
    Wait = function(ctx, name)
      return ctx:execute_activity("wait", name, { start_to_close_timeout = 15 })
    end,
  },
})
print("up")
"""

SERVER = """
local me = crypto.random(8)
http.serve(tonumber(arg[1]), { GET = { ["/"] = function() return { body = me } end } }, { host = "127.0.0.1" })
"""


@pytest.fixture
def address() -> str:
    """An address for health endpoints."""
    return f"127.0.0.1:{free_port()}"


@contextmanager
def running(lua: Script, script: str, address: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Two processes of a script, both ready."""
    started = ("run", "--processes", "2", "--health", address, lua.command.script(script), *arguments)
    with lua.command.started(*started) as supervisor:
        try:
            wait_for(lambda: get(address, "/readyz") == (200, "ok\n"))
            yield supervisor
        finally:
            left = members(supervisor) if supervisor.poll() is None else []
            supervisor.kill()
            for process in left:
                process.kill()


def members(supervisor: subprocess.Popen[str]) -> list[psutil.Process]:
    """The processes of a supervisor."""
    return psutil.Process(supervisor.pid).children()


def start_waiting(lua: Script, queue: str, count: int) -> list[str]:
    """Start workflows whose activities wait; returns their ids when all activities have begun."""
    ids = [f"{queue}-{number}" for number in range(count)]
    for workflow_id in ids:
        lua.cli("workflow", "start", "--type", "Wait", "--task-queue", queue, "--workflow-id", workflow_id,
                "--input", json.dumps(workflow_id))  # fmt: skip
    wait_for(lambda: all((lua.folder / f"began-{workflow_id}").exists() for workflow_id in ids))
    return ids


def result(lua: Script, workflow_id: str) -> str:
    """The result of a workflow."""
    found: str = lua.cli("workflow", "result", "--workflow-id", workflow_id)["result"]
    return found


def identities(lua: Script, queue: str) -> set[str]:
    """The identities of the pollers of a task queue."""
    described = lua.cli("task-queue", "describe", "--task-queue", queue, "--legacy-mode")
    return {poller["identity"] for poller in described["pollers"]}


def test_the_processes_share_the_task_queue(lua: Script, name: str, address: str) -> None:
    with running(lua, WORKER, address, name) as supervisor:
        pids = {str(process.pid) for process in members(supervisor)}
        assert len(pids) == 2
        wait_for(lambda: {identity.partition("@")[0] for identity in identities(lua, name)} == pids)


def test_one_that_is_killed_is_started_again_and_nothing_is_lost(lua: Script, name: str, address: str) -> None:
    with running(lua, WORKER, address, name) as supervisor:
        ids = start_waiting(lua, name, 4)
        killed = members(supervisor)[0]
        killed.kill()
        wait_for(lambda: get(address, "/readyz")[0] == 503)
        assert get(address, "/livez") == (200, "ok\n")
        wait_for(lambda: get(address, "/readyz") == (200, "ok\n"))
        assert len(members(supervisor)) == 2
        assert killed.pid not in {process.pid for process in members(supervisor)}
        (lua.folder / "end").touch()
        supervisor.send_signal(signal.SIGTERM)
        assert supervisor.wait(TIMEOUT) == 0
        assert supervisor.stderr is not None
        assert re.search(r"process [12] was killed by SIGKILL; restarting in 0.5 s", supervisor.stderr.read())
    with lua.command.started(lua.command.script(WORKER), name):
        assert [result(lua, workflow_id) for workflow_id in ids] == ["ended well"] * 4


def test_a_sigterm_drains_all_of_them(lua: Script, name: str, address: str) -> None:
    with running(lua, WORKER, address, name) as supervisor:
        start_waiting(lua, name, 4)
        supervisor.send_signal(signal.SIGTERM)
        wait_for(lambda: get(address, "/readyz") == (503, "draining\n"))
        assert get(address, "/livez") == (200, "ok\n")
        assert len(members(supervisor)) == 2
        (lua.folder / "end").touch()
        assert supervisor.wait(TIMEOUT) == 0
    for number in range(4):
        completed = lua.events(f"{name}-{number}").count("ACTIVITY_TASK_COMPLETED")
        assert completed == 1, f"the activity of {number} did not end in order"


def test_a_second_signal_ends_them_at_once(lua: Script, name: str, address: str) -> None:
    with running(lua, WORKER, address, name) as supervisor:
        start_waiting(lua, name, 2)
        left = members(supervisor)
        supervisor.send_signal(signal.SIGTERM)
        wait_for(lambda: get(address, "/readyz") == (503, "draining\n"))
        supervisor.send_signal(signal.SIGTERM)
        assert supervisor.wait(TIMEOUT) == 128 + signal.SIGTERM
        assert not any(process.is_running() for process in left)


def test_they_end_when_their_supervisor_is_killed(lua: Script, name: str, address: str) -> None:
    with running(lua, WORKER, address, name) as supervisor:
        left = members(supervisor)
        supervisor.kill()
        _, alive = psutil.wait_procs(left, timeout=TIMEOUT)
        assert alive == []


def test_a_script_that_fails_at_its_start_runs_once(lua: Script) -> None:
    started = lua.command.script('shell.exec("printf x >> starts")\nsleep(1)\nerror("no database")\n')
    result = lua.command.run("run", "--processes", "2", started)
    assert result.returncode == 1
    assert result.stderr.count("no database") == 1
    assert "started again" not in result.stderr
    assert (lua.folder / "starts").read_text() == "x"


def test_a_script_without_a_worker_runs_once(lua: Script) -> None:
    result = lua.command.run("run", "--processes", "2", lua.command.script('print("done")'))
    assert (result.returncode, result.stdout, result.stderr) == (0, "done\n", "")


def test_a_script_that_does_not_exist_is_an_error(lua: Script) -> None:
    result = lua.command.run("run", "--processes", "2", "none.lua")
    assert (result.returncode, result.stderr) == (1, "assay: cannot read none.lua: No such file or directory\n")


def test_all_exit_with_a_dedicated_code_when_one_keeps_dying(lua: Script, name: str) -> None:
    script = lua.command.script(WORKER + 'shell.exec("printf x >> starts")\nsleep(0.2)\nos.exit(3)\n')
    result = lua.command.run("run", "--processes", "1", script, name)
    assert result.returncode == EXIT_UNSTABLE
    assert "process 1 exited with code 3; restarting in 0.5 s" in result.stderr
    assert "process 1 exited with code 3, 5 times in a row: giving up" in result.stderr
    assert (lua.folder / "starts").read_text() == "xxxxx"


def test_one_that_cannot_start_is_tried_again_while_another_runs(lua: Script, name: str) -> None:
    first_only = 'if fs.exists("started") then error("no server") end\nfs.write("started", "")\n'
    script = lua.command.script(first_only + WORKER)
    with lua.command.started("run", "--processes", "2", script, name) as supervisor:
        assert supervisor.stderr is not None
        lines = iter(supervisor.stderr.readline, "")
        assert any("restarting in 8 s" in line for line in lines)  # after 0.5, 1, 2 and 4 s
        assert len(members(supervisor)) == 1
        supervisor.send_signal(signal.SIGTERM)
        assert supervisor.wait(TIMEOUT) == 0


def test_the_metrics_of_all_are_at_one_address(lua: Script, name: str, address: str) -> None:
    metrics = f"127.0.0.1:{free_port()}"
    with running(lua, WORKER, address, name, metrics) as supervisor:
        shown = scrape(metrics)
        for number in ("1", "2"):
            assert re.search(rf'^temporal_request\{{.*process="{number}".*\}} \d+$', shown, re.MULTILINE)
            assert f'assay_process_up{{process="{number}"}} 1' in shown
        kinds = [line.split()[2] for line in shown.splitlines() if line.startswith("# TYPE")]
        assert len(kinds) == len(set(kinds))
        members(supervisor)[0].kill()
        wait_for(lambda: re.search(r'assay_process_restarts_total\{process="\d"\} 1', scrape(metrics)) is not None)


def test_health_and_metrics_may_have_the_same_address(lua: Script, name: str, address: str) -> None:
    with running(lua, WORKER, address, name, address):
        assert "temporal_request" in scrape(address)
        assert get(address, "/livez") == (200, "ok\n")


def test_a_script_may_say_where_its_health_is(lua: Script, name: str, address: str) -> None:
    script = lua.command.script(WORKER.replace("task_queue", f'health = "{address}", task_queue', 1))
    with lua.command.started("run", "--processes", "2", script, name) as supervisor:
        wait_for(lambda: get(address, "/readyz") == (200, "ok\n"))
        supervisor.send_signal(signal.SIGTERM)
        assert supervisor.wait(TIMEOUT) == 0


def test_a_process_that_does_not_answer_does_not_live(lua: Script, name: str, address: str) -> None:
    with running(lua, WORKER, address, name) as supervisor:
        stopped = members(supervisor)[0]
        stopped.suspend()
        try:
            status, text = get(address, "/livez")
        finally:
            stopped.resume()
        assert status == 503
        assert re.fullmatch(r"process [12]: it does not answer\n", text)


def test_lines_in_json_name_the_process(lua: Script, name: str, address: str) -> None:
    lua.command.environment["ASSAY_LOG"] = "json"
    with running(lua, WORKER + 'log.info("up")', address, name) as supervisor:
        members(supervisor)[0].kill()
        wait_for(lambda: get(address, "/readyz")[0] == 503)
        wait_for(lambda: get(address, "/readyz") == (200, "ok\n"))
        supervisor.send_signal(signal.SIGTERM)
        assert supervisor.wait(TIMEOUT) == 0
        assert supervisor.stderr is not None
        lines = [json.loads(line) for line in supervisor.stderr]
    assert {line["process"] for line in lines if line["message"] == "up"} == {1, 2}
    [died] = [line for line in lines if line.get("event") == "process.died"]
    assert died["fields"]["process"] in (1, 2)


@pytest.mark.parametrize("option", ["health", "metrics"])
def test_an_address_in_use_is_said_once(lua: Script, name: str, option: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        script = lua.command.script(WORKER)
        given = ("--health", address, script, name) if option == "health" else (script, name, address)
        result = lua.command.run("run", "--processes", "2", *given)
    error = f"cannot listen on {address}: address already in use"
    if option == "metrics":
        error = (
            f"script.lua:2: temporal.worker: bad option 'metrics' ({error})\n"
            "stack traceback:\n\tscript.lua:2: in main chunk"
        )
    assert (result.returncode, result.stderr) == (1, f"assay: {error}\n")


def test_an_address_in_use_by_a_later_worker_ends_all_processes(lua: Script, name: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        second = f'temporal.worker({{ task_queue = "{name}-2", health = "{address}", workflows = {{ W = print }} }})'
        script = lua.command.script(f"{WORKER}{second}")
        result = lua.command.run("run", "--processes", "2", script, name)
    error = f"temporal.worker: bad option 'health' (cannot listen on {address}: address already in use)"
    assert (result.returncode, result.stderr.count("address already in use")) == (1, 1), result.stderr
    assert error in result.stderr


def ask(port: int) -> str:
    """The response of a server on a new connection."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT)
    try:
        connection.request("GET", "/")
        return connection.getresponse().read().decode()
    finally:
        connection.close()


def answers(port: int) -> bool:
    """Return true if a server listens on a port."""
    with socket.socket() as trial:
        return trial.connect_ex(("127.0.0.1", port)) == 0


def test_servers_of_all_share_a_port(lua: Script) -> None:
    port = free_port()
    with lua.command.started("run", "--processes", "2", lua.command.script(SERVER), str(port)) as supervisor:
        wait_for(lambda: answers(port))
        seen: set[str] = set()

        def both_answered() -> bool:
            seen.add(ask(port))
            return len(seen) == 2

        wait_for(both_answered)
        supervisor.send_signal(signal.SIGTERM)
        assert supervisor.wait(TIMEOUT) == 0


def test_a_port_in_use_is_said_once(lua: Script) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = lua.command.run("run", "--processes", "2", lua.command.script(SERVER), str(port))
    assert result.returncode == 1
    assert result.stderr.count(f"http.serve: port {port} on 127.0.0.1 is in use") == 1


def test_two_supervisors_do_not_share_a_port(lua: Script) -> None:
    port = free_port()
    script = lua.command.script(SERVER)
    with lua.command.started("run", "--processes", "2", script, str(port)) as supervisor:
        wait_for(lambda: answers(port))
        result = lua.command.run("run", "--processes", "2", script, str(port))
        assert result.returncode == 1
        assert f"http.serve: port {port} on 127.0.0.1 is in use" in result.stderr
        supervisor.send_signal(signal.SIGTERM)
        assert supervisor.wait(TIMEOUT) == 0


@pytest.mark.parametrize("number", ["0", "-1", "many"])
def test_the_number_of_processes_is_checked(lua: Script, number: str) -> None:
    result = lua.command.run("run", "--processes", number, lua.command.script("print(1)"))
    assert result.returncode == 2
    assert f"expected a positive integer or 'auto', got '{number}'" in result.stderr
