"""Workflows with encrypted payloads: keys, a worker, and checks that histories do not contain a secret."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from subprocess import Popen
from typing import Any

from activity_runs import working
from command import read_until
from temporal_script import Script
from timeouts import TIMEOUT

KEYS = {"2026-10": base64.b64encode(bytes(range(16))).decode(), "2026-11": base64.b64encode(bytes(range(32))).decode()}
OLD = {"type": "aes-gcm", "keys": {"2026-10": KEYS["2026-10"]}, "current": "2026-10"}
NEW = {"type": "aes-gcm", "keys": KEYS, "current": "2026-11"}
WRONG = {"type": "aes-gcm", "keys": {"2026-11": base64.b64encode(bytes(32)).decode()}, "current": "2026-11"}

SECRET = "plaintext-4711"

MISSING = "a payload is encrypted with the key '2026-11': set the option 'codec' to decrypt it"

WORKER = """
SECRET = "plaintext-4711"
token = nil
worker = temporal.worker({
  task_queue = name,
  codec = codec,
  activities = {
    echo = function(input) return input end,
    beat = function()
      if not activity.heartbeat_details() then
        activity.heartbeat({ at = SECRET })
        error({ type = "AGAIN", message = "beat " .. SECRET, details = { SECRET }, next_retry_delay = 0.01 })
      end
      return activity.heartbeat_details()
    end,
    refuse = function()
      error({ type = "UnknownQuery", message = "refused " .. SECRET, details = { code = SECRET },
        non_retryable = true })
    end,
    open = function()
      token = activity.info().task_token
      activity.complete_async()
    end,
  },
  workflows = {
    Child = function(ctx, input) return ctx:execute_activity("echo", input) end,
    Run = function(ctx, input) BODY end,
    Crash = function(ctx, input) error("crashed: " .. SECRET) end,
    Wait = function(ctx, input) return { input = input, signal = ctx:wait_signal("go") } end,
  },
})
"""


def inline(body: str, steps: str = 'return result(start("Run", SECRET, name))') -> str:
    """Return code with a worker and a client whose codec is the first argument, and the body of the workflow `Run`."""
    connect = "codec = ... client = temporal.connect({ codec = codec })"
    return f"{connect} {WORKER.replace('BODY', body)} {steps}"


@contextmanager
def worker_process(lua: Script, name: str, codec: Any) -> Iterator[Popen[str]]:
    """Run a worker in a separate process."""
    script = f"name, codec = arg[1], json.parse(arg[2]) {WORKER.replace('BODY', '')} print('up')"
    with working(lua, script, name, json.dumps(codec)) as process:
        read_until(process, "up")
        yield process
        process.terminate()
        process.wait(TIMEOUT)


def history(lua: Script, workflow_id: str) -> str:
    """Return a history as JSON text in which the payloads' data is readable."""
    events = lua.cli("workflow", "show", "--workflow-id", workflow_id)
    data: list[str] = []

    def collect(item: Any) -> None:
        if isinstance(item, dict):
            if isinstance(item.get("data"), str):
                data.append(base64.b64decode(item["data"]).decode("latin-1"))
            for value in item.values():
                collect(value)
        elif isinstance(item, list):
            for value in item:
                collect(value)

    collect(events)
    return json.dumps(events) + "".join(data)


def assert_encrypted(lua: Script, workflow_id: str) -> None:
    """Check that a history has payloads, and neither the secret nor a stack trace."""
    seen = history(lua, workflow_id)
    assert SECRET not in seen
    assert "in function" not in seen
    assert '"encoding"' in seen
