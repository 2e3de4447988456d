"""The examples that serve: run by the real command, asked over the network."""

from __future__ import annotations

import hashlib
import hmac
import json
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from command import Command
from timeouts import TIMEOUT

EXAMPLES = Path(__file__).parent.parent.parent / "examples"
SECRET = "It's a Secret to Everybody"


@contextmanager
def running(assay: Command, *arguments: str) -> Iterator[str]:
    """An example that says where it listens; gives the address. It has to end in order."""
    assay.environment["PYTHONUNBUFFERED"] = "1"
    with assay.started(*arguments) as process:
        assert process.stdout is not None
        line = next((text for text in process.stdout if text.startswith("listening on ")), "")
        assert line, process.stderr and process.stderr.read()
        yield line.removeprefix("listening on ").strip()
        process.terminate()
        assert process.wait(TIMEOUT) == 0


def ask(method: str, url: str, body: Any = None, headers: dict[str, str] | None = None) -> tuple[int, Any]:
    data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, headers or {}, method=method)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=TIMEOUT) as response:
            text = response.read()
            return response.status, json.loads(text) if text else None
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def test_the_rest_service(assay: Command) -> None:
    script = str(EXAMPLES / "rest_service.lua")
    with running(assay, "run", script, "0", "notes.db") as url:
        milk = {"id": 1, "title": "Milk", "done": False, "tags": ["shop", "today"]}
        rent = {"id": 2, "title": "Rent'); drop table note; --", "done": True, "tags": []}
        assert ask("GET", f"{url}/notes") == (200, [])
        assert ask("POST", f"{url}/notes", {"title": "Milk", "tags": ["shop", "today"]}) == (201, milk)
        assert ask("POST", f"{url}/notes", {"title": rent["title"], "done": True}) == (201, rent)
        assert ask("GET", f"{url}/notes") == (200, [milk, rent])
        assert ask("GET", f"{url}/notes?tag=shop") == (200, [milk])
        assert ask("GET", f"{url}/notes/2") == (200, rent)
        milk |= {"title": "Oat milk", "tags": ["later"]}
        assert ask("PUT", f"{url}/notes/1", {"title": "Oat milk", "tags": ["later"]}) == (200, milk)
        for body, text in (
            (b"{", "the body is not a JSON object"),
            ({"tags": []}, "'title' must be a non-empty string"),
            ({"title": "x", "tags": 1}, "'tags' must be an array"),
        ):
            assert ask("POST", f"{url}/notes", body) == (400, {"error": text})
        assert ask("GET", f"{url}/notes/99") == (404, {"error": "no such note"})
        assert ask("DELETE", f"{url}/notes/2") == (204, None)
        assert ask("DELETE", f"{url}/notes/2")[0] == 404
    with running(assay, "run", script, "0", "notes.db") as url:
        assert ask("GET", f"{url}/notes") == (200, [milk])


def test_the_github_webhook(assay: Command, temporal_server: str) -> None:
    assay.environment |= {"TEMPORAL_ADDRESS": temporal_server, "GITHUB_WEBHOOK_SECRET": SECRET}
    push = {
        "ref": "refs/heads/main",
        "after": "6113728f27ae82c7b1a177c8d03f9e96e0adf246",
        "repository": {"full_name": "octocat/hello"},
        "pusher": {"name": "jane"},
    }

    def deliver(url: str, event: str, body: Any, secret: str = SECRET) -> tuple[int, Any]:
        data = json.dumps(body).encode()
        signature = hmac.new(secret.encode(), data, hashlib.sha256).hexdigest()
        headers = {"X-GitHub-Event": event, "X-GitHub-Delivery": "d-1", "X-Hub-Signature-256": f"sha256={signature}"}
        return ask("POST", url, data, headers)

    with running(assay, "run", str(EXAMPLES / "github_webhook.lua"), "0") as url:
        assert deliver(url, "ping", {"zen": "Keep it simple."}) == (200, {"zen": "Keep it simple."})
        assert deliver(url, "push", push, "wrong") == (401, {"error": "bad signature"})
        assert ask("POST", url, push) == (401, {"error": "bad signature"})
        assert deliver(url, "push", push | {"ref": "refs/heads/x"}) == (202, {"ignored": "refs/heads/x"})
        assert deliver(url, "push", push) == (202, {"workflow": "deploy-d-1", "started": True})
        code = 'print(json.encode(temporal.connect():get_result({ workflow_id = "deploy-d-1" })))'
        result = assay.run("exec", "-e", code)
        assert result.returncode == 0, result.stderr
        image = "registry.example/octocat/hello:6113728"
        assert json.loads(result.stdout) == {"image": image, "pushed_by": "jane"}


def test_the_webhook_wants_a_secret(assay: Command) -> None:
    result: subprocess.CompletedProcess[str] = assay.run("run", str(EXAMPLES / "github_webhook.lua"))
    assert result.returncode == 1
    assert "set GITHUB_WEBHOOK_SECRET to the webhook's secret" in result.stderr
