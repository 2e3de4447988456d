"""A client of the Lua language server, which plays the role of an editor."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from timeouts import TIMEOUT

SERVER = os.environ.get("LUALS") or shutil.which("lua-language-server")
"""The server's command, if there is one."""


class LanguageServer:
    """A running server with one folder open."""

    def __init__(self, process: subprocess.Popen[bytes], folder: Path) -> None:
        self._process = process
        self._folder = folder
        self._last_id = 0
        root = folder.as_uri()
        parameters = {
            "processId": os.getpid(),
            "rootUri": root,
            "workspaceFolders": [{"uri": root, "name": folder.name}],
            "capabilities": {"workspace": {"configuration": True}},
        }
        self._request("initialize", parameters)
        self._send({"method": "initialized", "params": {}})

    def open(self, name: str) -> None:
        """Open a file of the folder."""
        document = {
            "uri": (self._folder / name).as_uri(),
            "languageId": "lua",
            "version": 1,
            "text": (self._folder / name).read_text(encoding="utf-8"),
        }
        self._send({"method": "textDocument/didOpen", "params": {"textDocument": document}})

    def completions(self, name: str, line: int, column: int) -> list[str]:
        """The completions at a position; line and column are 1-based.

        The server has none until it has read the folder, so the request is repeated until there are some.
        """
        place = {"line": line - 1, "character": column - 1}
        document = {"uri": (self._folder / name).as_uri()}
        deadline = time.monotonic() + TIMEOUT
        while time.monotonic() < deadline:
            found = self._request("textDocument/completion", {"textDocument": document, "position": place})
            labels = [item["label"] for item in (found["items"] if isinstance(found, dict) else found or [])]
            if labels:
                return labels
            time.sleep(0.1)
        return []

    def _request(self, method: str, parameters: Any) -> Any:
        self._last_id += 1
        identity = self._last_id
        self._send({"id": identity, "method": method, "params": parameters})
        while True:
            message = self._receive()
            if "method" not in message and message.get("id") == identity:
                assert "error" not in message, message["error"]
                return message["result"]
            if "method" in message and "id" in message:
                items = message["params"].get("items", []) if isinstance(message.get("params"), dict) else []
                result = [None] * len(items) if message["method"] == "workspace/configuration" else None
                self._send({"id": message["id"], "result": result})

    def _send(self, message: dict[str, Any]) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        assert self._process.stdin is not None
        self._process.stdin.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        self._process.stdin.flush()

    def _receive(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        length = 0
        while line := self._process.stdout.readline().strip():
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        message: dict[str, Any] = json.loads(self._process.stdout.read(length))
        return message


@contextmanager
def language_server(folder: Path) -> Iterator[LanguageServer]:
    """Run the server with a folder open."""
    assert SERVER is not None
    with tempfile.TemporaryDirectory() as logs:
        command = [SERVER, f"--logpath={logs}", f"--metapath={logs}"]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            try:
                yield LanguageServer(process, folder)
            finally:
                process.kill()


def diagnostics(folder: Path) -> list[tuple[str, int, str, str]]:
    """The server's diagnostics for all files of a folder: file, line, code and message."""
    assert SERVER is not None
    with tempfile.TemporaryDirectory() as logs:
        found = Path(logs, "check.json")
        command = [SERVER, f"--check={folder}", "--checklevel=Information", "--check_format=json"]
        command += [f"--check_out_path={found}", f"--logpath={logs}", f"--metapath={logs}"]
        subprocess.run(command, capture_output=True, check=False)
        report = json.loads(found.read_text(encoding="utf-8"))
    return sorted(
        (uri.rpartition("/")[2], item["range"]["start"]["line"] + 1, item["code"], item["message"])
        for uri, items in (report or {}).items()
        for item in items
    )
