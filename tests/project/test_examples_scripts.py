"""The examples that need no Temporal server, run as described in their first lines."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from command import Command

EXAMPLES = Path(__file__).parent.parent.parent / "examples"


class Services(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(500 if self.path == "/ill" else 200)
        self.end_headers()
        self.wfile.write(b"all is well")

    def log_message(self, format: str, *arguments: object) -> None:
        """Log nothing."""


@pytest.fixture
def services() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Services) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_the_health_checker(assay: Command, services: str) -> None:
    (assay.folder / "services.yaml").write_text(
        f"""
        services:
          - {{ name: good, url: "{services}/", contains: well, timeout: 60 }}
          - {{ name: expected, url: "{services}/ill", status: 500, timeout: 60 }}
          - {{ name: ill, url: "{services}/ill", timeout: 60 }}
          - {{ name: changed, url: "{services}/", contains: bad, timeout: 60 }}
          - {{ name: gone, url: "http://127.0.0.1:1/", timeout: 60 }}
        """
    )
    result = assay.run(str(EXAMPLES / "health_checker.lua"), "services.yaml")
    lines = {line.split()[0]: line.split(maxsplit=2)[1:] for line in result.stdout.splitlines()}
    assert list(lines) == ["good", "expected", "ill", "changed", "gone"]
    assert [words[0] for words in lines.values()] == ["ok", "ok", "DOWN", "DOWN", "DOWN"]
    assert lines["ill"][1] == "status 500"
    assert lines["changed"][1] == "the response does not contain 'bad'"
    assert "http.get failed" in lines["gone"][1]
    assert (result.returncode, result.stderr) == (3, "")


def test_the_health_checker_wants_a_list(assay: Command) -> None:
    result = assay.run(str(EXAMPLES / "health_checker.lua"))
    assert result.returncode == 64
    assert "usage: " in result.stderr


def test_the_cron_job(assay: Command) -> None:
    cache = assay.folder / "cache"
    cache.mkdir()
    (cache / "new").write_text("12345")
    for name in ("old", "older"):
        (cache / name).write_text("x")
        os.utime(cache / name, (time.time() - 7200,) * 2)
    assay.environment |= {"EVERY_MS": "20", "MAX_AGE": "3600", "RUNS": "3", "ASSAY_LOG": "json", "MAX_PERCENT": "101"}
    result = assay.run(str(EXAMPLES / "cron.lua"), "cache")
    assert result.returncode == 0, result.stderr
    lines = [json.loads(line)["fields"] for line in result.stderr.splitlines()]
    assert lines == [{"folder": "cache", "removed": removed, "left": 5} for removed in (2, 0, 0)]
    assert [path.name for path in cache.iterdir()] == ["new"]


def test_a_run_of_the_cron_job_that_fails_is_not_the_last(assay: Command) -> None:
    assay.environment |= {"EVERY_MS": "20", "RUNS": "3"}
    result = assay.run(str(EXAMPLES / "cron.lua"), "nowhere")
    assert result.returncode == 0
    lines = result.stderr.splitlines()
    assert len(lines) == 3
    for line in lines:
        assert " ERROR async.spawn_interval: a call failed: " in line
        assert line.endswith("disk.sweep: nowhere: No such file or directory [ASSAY1013]")
