"""`assay doctor` against real servers: healthy ones, wrong addresses, bad certificates, missing namespaces and keys."""

from __future__ import annotations

import json
import signal
import time
from base64 import b64encode
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import AsyncMock

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.taskqueue.v1 import PollerInfo
from temporalio.api.workflowservice.v1 import DescribeTaskQueueResponse
from temporalio.service import ServiceClient

from assay.cli.doctor.queues import check_queue
from assay.cli.doctor.server import compare_clocks
from assay.temporal.dev_server.server import DevServer
from command import Command, read_until, wait_for
from temporal_script import Script
from timeouts import TIMEOUT
from tls_proxy import Authority, TlsProxy

WORKER = """
local worker = temporal.worker({ task_queue = arg[1] or "QUEUE", workflows = { W = function() end },
  activities = { a = function() end } })
print("polling")
"""

SECRET = "it-sits-at-toast-2000"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def proxy(temporal_server: str, authority: Authority) -> Iterator[TlsProxy]:
    with TlsProxy(temporal_server, authority, "127.0.0.1", "localhost") as running:
        yield running


class Answer:
    """The JSON output of `assay doctor`."""

    def __init__(self, command: Command, *arguments: str) -> None:
        result = command.run("doctor", *arguments, "--json")
        assert result.stderr == ""
        self.code = result.returncode
        self.text = result.stdout
        said = json.loads(result.stdout)
        assert said["healthy"] == (result.returncode == 0)
        self.checks: list[dict[str, Any]] = said["checks"]

    def __getitem__(self, check: str) -> dict[str, Any]:
        """The most severe finding of a check, the first of several."""
        found = [item for item in self.checks if item["check"] == check]
        return min(found, key=lambda item: ("error", "warning", "ok", "skipped").index(item["status"]))

    def wrong(self) -> list[str]:
        """The checks that found an error."""
        return [item["check"] for item in self.checks if item["status"] == "error"]


def days(number: int) -> datetime:
    """A time a number of days from now."""
    return datetime.now(UTC) + timedelta(days=number)


def over_tls(lua: Script, proxy: TlsProxy, authority: Authority, **variables: Path | str) -> None:
    """Configure the environment for a server with TLS."""
    given = {"ADDRESS": proxy.address, "TLS_SERVER_CA_CERT_PATH": authority.file, **variables}
    lua.command.environment |= {f"TEMPORAL_{name}": str(value) for name, value in given.items()}


def test_a_worker_that_polls_is_well(lua: Script, name: str) -> None:
    script = lua.command.script(WORKER.replace("QUEUE", name))
    with lua.command.started(script) as worker:
        read_until(worker, "polling")
        wait_for(lambda: len(Answer(lua.command, script)["task queues"]["details"]["pollers"]) > 0)
        answer = Answer(lua.command, script)
        worker.send_signal(signal.SIGTERM)
        worker.communicate(timeout=TIMEOUT)
    assert (answer.code, answer.wrong()) == (0, [])
    [poller] = answer["task queues"]["details"]["pollers"]
    assert poller["identity"].startswith(f"{worker.pid}@")
    assert "workflow" in poller["kinds"]
    assert answer["namespace"]["details"]["state"] == "registered"
    assert answer["server"]["details"]["version"]
    assert answer["versions"]["details"]["temporalio"]
    assert (answer["clock"]["status"], abs(answer["clock"]["details"]["seconds"]) < 2) == ("ok", True)


def test_the_findings_are_shown_as_text(lua: Script, name: str) -> None:
    result = lua.command.run("doctor", "--task-queue", name)
    assert result.returncode == 0
    lines = result.stdout.splitlines()
    assert lines[0].startswith("✓ versions       assay ")
    assert f"! task queues    '{name}' has no pollers" in lines
    assert "                 → Start a worker: assay run SCRIPT." in lines
    assert lines[-1] == "1 warning"


def test_tasks_without_a_poller_are_an_error(lua: Script, name: str) -> None:
    lua.run("temporal.start({ task_queue = arg[1], workflow_type = 'W', workflow_id = arg[1] })", name)
    wait_for(lambda: Answer(lua.command, "--task-queue", name).wrong() == ["task queues"])
    answer = Answer(lua.command, "--task-queue", name)
    assert answer["task queues"]["message"] == f"'{name}' has no pollers; backlog: 1 workflow tasks"


def test_versions_of_which_none_is_current(lua: Script, name: str) -> None:
    deployment = f'task_queue = "{name}", deployment = {{ name = "{name}", build_id = "b1" }}'
    script = lua.command.script(WORKER.replace('task_queue = arg[1] or "QUEUE"', deployment))
    with lua.command.started(script) as worker:
        read_until(worker, "polling")
        wait_for(lambda: Answer(lua.command, script)["task queues"]["details"]["pollers"] != [])
        found = Answer(lua.command, script)["task queues"]
        worker.send_signal(signal.SIGTERM)
        worker.communicate(timeout=TIMEOUT)
    assert found["status"] == "warning"
    assert f"'{name}' has no current version: workflows wait" in found["message"]
    assert f"set-current-version --deployment-name {name} --build-id b1" in found["remedy"]


async def test_a_worker_that_no_longer_polls() -> None:
    polled_at = Timestamp(seconds=int(time.time()) - 200)
    answer = DescribeTaskQueueResponse(pollers=[PollerInfo(identity="1@gone", last_access_time=polled_at)])
    service = SimpleNamespace(workflow_service=SimpleNamespace(describe_task_queue=AsyncMock(return_value=answer)))
    found = await check_queue(cast("ServiceClient", service), "default", "orders")
    assert found.status == "warning"
    assert found.message.startswith("'orders' was last polled 2")


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("127.0.0.1:1", "127.0.0.1:1: connection refused"),
        ("nowhere.invalid:7233", "cannot resolve the host 'nowhere.invalid'"),
    ],
)
def test_an_address_that_does_not_answer(assay: Command, address: str, message: str) -> None:
    answer = Answer(assay, "--address", address)
    assert (answer.code, answer.wrong()) == (1, ["address"])
    assert answer["address"]["message"].startswith(message)
    assert answer["address"]["remedy"]
    assert answer["namespace"]["status"] == "skipped"


def test_an_address_of_another_server(assay: Command, temporal_dev_server: DevServer) -> None:
    answer = Answer(assay, "--address", temporal_dev_server.http_url.removeprefix("http://"))
    assert answer.wrong() == ["server"]
    assert "gRPC port" in answer["server"]["remedy"]


def test_a_configuration_that_cannot_be_used(assay: Command) -> None:
    assay.environment["TEMPORAL_ADDRESS"] = "http://localhost:7233"
    answer = Answer(assay)
    assert answer.wrong() == ["configuration"]
    assert "host:port" in answer["configuration"]["message"]
    assert answer["server"]["status"] == "skipped"


def test_a_namespace_that_is_missing(lua: Script) -> None:
    answer = Answer(lua.command, "--namespace", "nowhere")
    assert (answer.code, answer.wrong()) == (1, ["namespace"])
    assert "temporal operator namespace create --namespace nowhere" in answer["namespace"]["remedy"]


def test_a_server_over_tls_is_well(lua: Script, proxy: TlsProxy, authority: Authority) -> None:
    over_tls(lua, proxy, authority, API_KEY=SECRET)
    answer = Answer(lua.command)
    assert (answer.code, answer.wrong()) == (0, [])
    assert answer["configuration"]["details"]["tls"] is True
    assert answer["certificates"]["status"] == "ok"
    assert SECRET not in answer.text


@pytest.mark.parametrize(
    ("left", "status", "message"),
    [(-3, "error", "expired on "), (9, "warning", " days left)")],
    ids=["expired", "soon"],
)
def test_the_date_of_the_servers_certificate(
    lua: Script, temporal_server: str, authority: Authority, left: int, status: str, message: str
) -> None:
    with TlsProxy(temporal_server, authority, "127.0.0.1", not_after=days(left)) as running:
        over_tls(lua, running, authority)
        answer = Answer(lua.command)
    found = answer["certificates"]
    assert (found["status"], message in found["message"]) == (status, True)
    assert (found["details"]["of"], found["details"]["not_after"][:10]) == ("the server's", days(left).isoformat()[:10])
    assert answer.wrong() == (["certificates", "server"] if left < 0 else [])
    if left < 0:
        assert answer["server"]["message"] == "no connection: its certificate has expired"


def test_the_date_of_the_clients_certificate(lua: Script, proxy: TlsProxy, authority: Authority) -> None:
    certificate, key = authority.client("late", not_after=days(-1))
    over_tls(lua, proxy, authority, TLS_CLIENT_CERT_PATH=certificate, TLS_CLIENT_KEY_PATH=key)
    found = Answer(lua.command)["certificates"]
    assert (found["status"], found["details"]["of"]) == ("error", "the client's")


def test_a_certificate_of_an_unknown_authority(lua: Script, proxy: TlsProxy, authority: Authority) -> None:
    over_tls(lua, proxy, authority)
    del lua.command.environment["TEMPORAL_TLS_SERVER_CA_CERT_PATH"]
    lua.command.environment["TEMPORAL_TLS"] = "true"
    answer = Answer(lua.command)
    assert answer.wrong() == ["server"]
    assert "TEMPORAL_TLS_SERVER_CA_CERT_PATH" in answer["server"]["remedy"]


def test_tls_that_the_server_does_not_speak(lua: Script) -> None:
    lua.command.environment["TEMPORAL_TLS"] = "true"
    answer = Answer(lua.command)
    assert answer.wrong() == ["server"]
    assert answer["certificates"]["status"] == "warning"
    assert "TEMPORAL_TLS=false" in answer["server"]["remedy"]


def test_tls_that_is_missing(lua: Script, proxy: TlsProxy) -> None:
    answer = Answer(lua.command, "--address", proxy.address)
    assert answer.wrong() == ["server"]
    assert "TEMPORAL_TLS=true" in answer["server"]["remedy"]


ENCRYPTED = """
local codec = { type = "aes-gcm", current = "CURRENT", keys = { KEYS } }
if arg[1] then
  temporal.start({ task_queue = "QUEUE", workflow_type = "W", input = "secret", codec = codec })
else
  temporal.worker({ task_queue = "QUEUE", workflows = { W = function() end }, codec = codec })
end
"""


def encrypted(lua: Script, name: str, current: str, *keys: str) -> str:
    """A script with encryption keys."""
    table = ", ".join(f'["{key}"] = "{b64encode(key.encode() * 16).decode()}"' for key in keys)
    text = ENCRYPTED.replace("CURRENT", current).replace("KEYS", table).replace("QUEUE", name)
    return lua.command.script(text, f"{'-'.join(keys)}.lua")


def test_keys_that_read_what_is_on_the_server(lua: Script, name: str) -> None:
    assert lua.command.run(encrypted(lua, name, "k1", "k1"), "start").returncode == 0
    script = encrypted(lua, name, "k2", "k1", "k2")
    wait_for(lambda: Answer(lua.command, script)["keys"]["details"]["seen"] == {"k1": 1})
    found = Answer(lua.command, script)["keys"]
    assert (found["status"], found["message"]) == ("ok", "'k1', 'k2'; 'k2' encrypts")


def test_a_key_that_is_missing(lua: Script, name: str) -> None:
    assert lua.command.run(encrypted(lua, name, "k1", "k1"), "start").returncode == 0
    script = encrypted(lua, name, "k3", "k3")
    wait_for(lambda: "keys" in Answer(lua.command, script).wrong())
    assert Answer(lua.command, script)["keys"]["message"].endswith("with unknown keys: 'k1' (1)")


def test_another_key_of_the_same_id(lua: Script, name: str) -> None:
    script = encrypted(lua, name, "k1", "k1")
    assert lua.command.run(script, "start").returncode == 0
    other = (
        (lua.command.folder / script)
        .read_text()
        .replace(b64encode(b"k1" * 16).decode(), b64encode(b"k2" * 16).decode())
    )
    script = lua.command.script(other, "other.lua")
    wait_for(lambda: "keys" in Answer(lua.command, script).wrong())
    assert Answer(lua.command, script)["keys"]["message"].endswith("with other keys of the same ids: 'k1' (1)")


def test_an_invalid_key_is_an_error(lua: Script, name: str) -> None:
    found = Answer(lua.command, encrypted(lua, name, "k9", "k1"))["keys"]
    assert (found["status"], "'codec.keys' has no 'k9'" in found["message"]) == ("error", True)


def test_a_script_that_fails_does_not_hide_the_rest(lua: Script) -> None:
    answer = Answer(lua.command, lua.command.script("error('oh no')"))
    assert answer.wrong() == ["script"]
    assert "oh no" in answer["script"]["message"]
    assert answer["namespace"]["status"] == "ok"


def test_a_server_that_the_script_may_not_reach(lua: Script, name: str) -> None:
    answer = Answer(lua.command, "--sandbox", lua.command.script(WORKER.replace("QUEUE", name)))
    assert answer.wrong() == ["configuration"]
    assert "--allow-temporal" in answer["configuration"]["message"]


@pytest.mark.parametrize(
    ("noted", "status", "message"),
    [
        (100.5, "ok", "this machine's clock agrees with the server's"),
        (95.0, "warning", "this machine's clock is 5.0 s ahead of the server's"),
        (104.0, "warning", "this machine's clock is 3.0 s behind the server's"),
        (1101.0, "error", "this machine's clock is 1000.0 s behind the server's"),
    ],
)
def test_clocks_that_differ(noted: float, status: str, message: str) -> None:
    found = compare_clocks(noted, 100.0, 101.0)
    assert found.status == status
    assert found.message.startswith(message)
