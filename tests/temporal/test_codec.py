"""Encrypted payloads on a real server, with the Temporal CLI as a witness."""

from __future__ import annotations

import asyncio
import base64
import dataclasses
import json
import os
import subprocess
import sys
import time
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from temporalio import activity
from temporalio.api.common.v1 import Payload
from temporalio.client import Client, Schedule, ScheduleActionStartWorkflow, ScheduleSpec, WorkflowFailureError
from temporalio.common import RetryPolicy
from temporalio.converter import DataConverter, DefaultFailureConverterWithEncodedAttributes
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

import replay
from assay.temporal.client.connect import connect_client
from assay.temporal.client.conversion import data_converter
from assay.temporal.connection.options import ConnectionOptions
from assay.temporal.data.codec import CodecOptions
from command import TIMEOUT, read_until
from temporal_script import Script

KEYS = {"2026-10": base64.b64encode(bytes(range(16))).decode(), "2026-11": base64.b64encode(bytes(range(32))).decode()}
OLD = {"type": "aes-gcm", "keys": {"2026-10": KEYS["2026-10"]}, "current": "2026-10"}
NEW = {"type": "aes-gcm", "keys": KEYS, "current": "2026-11"}
WRONG = {"type": "aes-gcm", "keys": {"2026-11": base64.b64encode(bytes(32)).decode()}, "current": "2026-11"}

SECRET = "plaintext-4711"

HEAD = """
local name, codec = arg[1], json.parse(arg[2])
local SECRET = "plaintext-4711"
"""

WORKER = (
    HEAD
    + """
local worker = temporal.worker({
  task_queue = name,
  codec = codec,
  activities = {
    echo = function(input) return input end,
    beat = function(input)
      if not activity.heartbeat_details() then
        activity.heartbeat({ at = SECRET })
        error({ type = "AGAIN", message = "beat " .. SECRET, details = { SECRET }, next_retry_delay = 0.01 })
      end
      return activity.heartbeat_details()
    end,
    refuse = function(input)
      error({ type = "UnknownQuery", message = "refused " .. SECRET, details = { code = SECRET },
        non_retryable = true })
    end,
    open = function() fs.write("token", activity.info().task_token); activity.complete_async() end,
  },
  workflows = {
    Child = function(ctx, input) return ctx:execute_activity("echo", input) end,
    All = function(ctx, input)
      local state = { secret = SECRET }
      ctx:register_query("state", function(asked) return { asked, state } end)
      ctx:register_query("broken", function() error("query " .. SECRET) end)
      local out = { input = input }
      out.activity = ctx:execute_activity("echo", { SECRET })
      out.beat = ctx:execute_activity("beat", SECRET, { heartbeat_timeout = 30 })
      local ok, err = pcall(ctx.execute_activity, ctx, "refuse", SECRET)
      out.refused = { err.cause.message, err.details.code, err.type }
      out.side = ctx:side_effect(function() return SECRET .. "-side" end)
      out.child = ctx:execute_child_workflow("Child", SECRET .. "-child")
      out.async = ctx:execute_activity("open")
      out.signal = ctx:wait_signal("go")
      return out
    end,
    Fail = function(ctx, input)
      local ok, err = pcall(ctx.execute_activity, ctx, "refuse", SECRET)
      error(err)
    end,
    Crash = function(ctx, input) error("crashed: " .. SECRET) end,
    Wait = function(ctx, input) return { input, ctx:wait_signal("go") } end,
  },
})
"""
)


def run(lua: Script, text: str, name: str, codec: Any, *more: str) -> Any:
    return lua.value(text, name, json.dumps(codec), *more)


def history(lua: Script, workflow_id: str) -> str:
    """A history as JSON text in which the payloads' data is readable."""
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


EVERYTHING = (
    WORKER
    + """
local client = temporal.connect({ codec = codec })
client:start_workflow({ task_queue = name, workflow_type = "All", workflow_id = name, input = { SECRET, 1, 2.5 } })
while not fs.exists("token") do sleep(0.02) end
client:complete_activity({ task_token = fs.read("token"), result = SECRET .. "-async" })
local query = client:query_workflow({ workflow_id = name, query_type = "state", input = SECRET })
local _, broken = pcall(client.query_workflow, client, { workflow_id = name, query_type = "broken" })
local _, other = pcall(client.query_workflow, client, { workflow_id = name, query_type = "other" })
client:signal_workflow({ workflow_id = name, signal_name = "go", input = SECRET .. "-signal" })
local result = client:get_result({ workflow_id = name })
local function failure(type)
  local id = name .. type
  client:start_workflow({ task_queue = name, workflow_type = type, workflow_id = id })
  local _, err = pcall(client.get_result, client, { workflow_id = id })
  return { tostring(err), err.kind, err.type, err.details }
end
local failures = { failure("Fail"), failure("Crash") }
worker:shutdown()
broken = { tostring(broken), tostring(other) }
print(json.encode({ result = result, query = query, broken = broken, failures = failures }))
"""
)


def test_nothing_leaves_in_plain_text(lua: Script, name: str) -> None:
    value = run(lua, EVERYTHING, name, NEW)
    assert value["result"] == {
        "input": [SECRET, 1, 2.5],
        "activity": [SECRET],
        "beat": {"at": SECRET},
        "refused": [f"refused {SECRET}", SECRET, "UnknownQuery"],
        "side": f"{SECRET}-side",
        "child": f"{SECRET}-child",
        "async": f"{SECRET}-async",
        "signal": f"{SECRET}-signal",
    }
    assert value["query"] == [SECRET, {"secret": SECRET}]
    assert value["broken"] == [
        "client:query_workflow: the query failed; its error is encrypted",
        "client:query_workflow: query 'other' is not registered (registered: broken, state)",
    ]
    refused, crashed = value["failures"]
    assert refused == [f"activity 'refuse' failed: refused {SECRET}", "activity", "UnknownQuery", {"code": SECRET}]
    assert crashed[0].endswith(f": crashed: {SECRET}")
    for workflow_id in (name, f"{name}Fail", f"{name}Crash"):
        seen = history(lua, workflow_id)
        assert SECRET not in seen
        assert "in function" not in seen  # no stack traces
        assert '"encoding"' in seen
    events = lua.cli("workflow", "show", "--workflow-id", name)["events"]
    payload = events[0]["workflowExecutionStartedEventAttributes"]["input"]["payloads"][0]
    metadata = {key: base64.b64decode(text).decode() for key, text in payload["metadata"].items()}
    assert metadata == {
        "encoding": "binary/encrypted",
        "encryption-key-id": "2026-11",
        "encryption-cipher": "AES/GCM/NoPadding",
    }
    # The layout of Temporal's samples: the nonce, then the sealed payload.
    data = base64.b64decode(payload["data"])
    opened = Payload.FromString(AESGCM(base64.b64decode(KEYS["2026-11"])).decrypt(data[:12], data[12:], None))
    assert opened == Payload(metadata={"encoding": b"json/plain"}, data=f'["{SECRET}",1,2.5]'.encode())


async def test_memos_and_schedules_are_encrypted(lua: Script, name: str) -> None:
    options = CodecOptions(type="aes-gcm", keys=KEYS, current="2026-11")
    client = await connect_client("test", ConnectionOptions(url=lua.address, codec=options))
    action = ScheduleActionStartWorkflow("W", SECRET, id=name, task_queue=name, memo={"m": SECRET})
    schedule = await client.create_schedule(name, Schedule(action, ScheduleSpec()), memo={"s": SECRET})
    await client.start_workflow("W", SECRET, id=name, task_queue=name, memo={"m": SECRET}, static_summary=SECRET)
    described = await client.get_workflow_handle(name).describe()
    plain = await Client.connect(lua.address)
    raw = await plain.get_workflow_handle(name).describe()
    seen = await plain.get_schedule_handle(name).describe()
    await schedule.delete()
    assert str((await described.memo())["m"].payload.data, "utf-8") == f'"{SECRET}"'
    for text in (raw.raw_description.SerializeToString(), seen.raw_description.SerializeToString()):
        assert SECRET.encode() not in text
        assert b"binary/encrypted" in text
    await plain.get_workflow_handle(name).terminate()


TWO = (
    HEAD
    + """
local client = temporal.connect({ codec = codec })
local method = arg[3]
local options = { task_queue = name, workflow_type = "Wait", workflow_id = name, input = SECRET }
if method == "start" then
  client:start_workflow(options)
elseif method == "signal" then
  client:signal_workflow({ workflow_id = name, signal_name = "go", input = SECRET })
end
local ok, result = true, nil
if method == "result" then
  ok, result = pcall(client.get_result, client, { workflow_id = name, timeout = 100 })
end
print(json.encode({ ok, ok and result or tostring(result) }))
"""
)


def test_two_generations_of_keys(lua: Script, name: str) -> None:
    run(lua, TWO, name, OLD, "start")
    run(lua, TWO, name, NEW, "signal")
    with lua.command.started(lua.command.script(WORKER + 'print("up")', "worker.lua"), name, json.dumps(NEW)) as worker:
        read_until(worker, "up")
        assert run(lua, TWO, name, NEW, "result") == [True, [SECRET, SECRET]]
        worker.terminate()
        worker.wait(TIMEOUT)
    assert SECRET not in history(lua, name)
    wanted = {
        "old": "client:get_result: a payload is encrypted with the key '2026-11', which is not in 'codec.keys' "
        "(known: '2026-10')",
        "wrong": "client:get_result: a payload that is encrypted with the key '2026-11' cannot be decrypted: "
        "'codec.keys' has a different key under this id, or the payload is damaged",
        "none": "client:get_result: a payload is encrypted with the key '2026-11': "
        "set the option 'codec' to decrypt it",
    }
    for case, codec in (("old", OLD), ("wrong", WRONG), ("none", None)):
        ok, told = run(lua, TWO, name, codec, "result")
        assert not ok
        assert told.endswith(wanted[case])
        assert SECRET not in told


def test_an_encrypted_failure_without_a_key(lua: Script, name: str) -> None:
    text = WORKER + (
        """
        local client = temporal.connect({ codec = codec })
        client:start_workflow({ task_queue = name, workflow_type = "Crash", workflow_id = name })
        pcall(client.get_result, client, { workflow_id = name })
        local out = {}
        for i, other in ipairs({ false, json.parse(arg[3]) }) do
          local stranger = temporal.connect({ codec = other or nil })
          local _, err = pcall(stranger.get_result, stranger, { workflow_id = name })
          out[i] = tostring(err)
        end
        worker:shutdown()
        print(json.encode(out))
        """
    )
    without, wrong = run(lua, text, name, NEW, json.dumps(WRONG))
    assert "a payload is encrypted with the key '2026-11': set the option 'codec' to decrypt it" in without
    assert "a payload that is encrypted with the key '2026-11' cannot be decrypted" in wrong
    assert SECRET not in without + wrong


def test_a_worker_without_the_key_leaves_the_run_to_one_that_has_it(lua: Script, name: str) -> None:
    run(lua, TWO, name, NEW, "start")
    run(lua, TWO, name, NEW, "signal")
    script = lua.command.script(WORKER + 'print("up")', "worker.lua")
    with lua.command.started(script, name, "null") as worker:
        read_until(worker, "up")
        assert worker.stderr is not None
        line = worker.stderr.readline()
        assert "a payload is encrypted with the key '2026-11': set the option 'codec' to decrypt it" in line
        worker.terminate()
        worker.wait(TIMEOUT)
    with lua.command.started(script, name, json.dumps(NEW)) as worker:
        read_until(worker, "up")
        assert run(lua, TWO, name, NEW, "result") == [True, [SECRET, SECRET]]
        worker.terminate()
        worker.wait(TIMEOUT)


async def test_an_activity_without_the_key_says_so(lua: Script, name: str) -> None:
    """The workflow's worker has the key, the activity's has not."""
    text = (
        HEAD
        + """
        local flow = temporal.worker({ task_queue = name, codec = codec, workflows = {
          Try = function(ctx, input)
            local _, err = pcall(ctx.execute_activity, ctx, "echo", input,
              { task_queue = name .. "-a", retry_policy = { maximum_attempts = 1 } })
            return tostring(err)
          end } })
        local acts = temporal.worker({ task_queue = name .. "-a", activities = { echo = function(i) return i end } })
        local client = temporal.connect({ codec = codec })
        client:start_workflow({ task_queue = name, workflow_type = "Try", workflow_id = name, input = SECRET })
        local result = client:get_result({ workflow_id = name })
        flow:shutdown()
        acts:shutdown()
        print(json.encode(result))
        """
    )
    assert run(lua, text, name, NEW) == (
        "activity 'echo' failed: Failed decoding arguments: "
        "a payload is encrypted with the key '2026-11': set the option 'codec' to decrypt it"
    )


def test_an_encrypted_run_goes_on_in_another_process(lua: Script, name: str) -> None:
    script = lua.command.script(WORKER + 'print("up")', "worker.lua")
    begin = (
        HEAD
        + """
        local client = temporal.connect({ codec = codec })
        client:start_workflow({ task_queue = name, workflow_type = "All", workflow_id = name .. "-all", input = 1 })
        """
    )
    with lua.command.started(script, name, json.dumps(NEW)) as worker:
        read_until(worker, "up")
        run(lua, begin + "print(1)", name, NEW)
        while not (lua.folder / "token").exists():
            time.sleep(0.05)
        worker.terminate()
        worker.wait(TIMEOUT)
    finish = (
        HEAD
        + """
        local client = temporal.connect({ codec = codec })
        client:complete_activity({ task_token = fs.read("token"), result = "done" })
        client:signal_workflow({ workflow_id = name .. "-all", signal_name = "go", input = SECRET })
        print(json.encode(client:get_result({ workflow_id = name .. "-all" })))
        """
    )
    with lua.command.started(script, name, json.dumps(NEW)) as worker:
        read_until(worker, "up")
        value = run(lua, finish, name, NEW)
        worker.terminate()
        worker.wait(TIMEOUT)
    assert value["side"] == f"{SECRET}-side"
    assert (value["async"], value["signal"]) == ("done", SECRET)
    assert SECRET not in history(lua, f"{name}-all")


def test_an_encrypted_history_replays(lua: Script, name: str) -> None:
    run(lua, EVERYTHING, name, NEW)
    history = lua.folder / "history.json"
    history.write_text(json.dumps(lua.cli("workflow", "show", "--workflow-id", name)), encoding="utf-8")
    script = lua.command.script(f"arg = {{ {name!r}, 'null' }}\n{WORKER}", "again.lua")
    for codec, matches in ((NEW, True), (WRONG, False)):
        result = subprocess.run(
            [sys.executable, replay.__file__, str(lua.folder / script), str(history)],
            env=os.environ | {"CODEC": json.dumps(codec)},
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
        assert (result.returncode == 0) is matches, result.stderr


async def test_a_failure_of_another_sdk_is_read(lua: Script, name: str) -> None:
    """A Python worker with the codec and the SDK's own way to hide messages."""

    @activity.defn
    async def refuse(text: str) -> str:
        raise ApplicationError(f"python {text}", {"text": text}, type="NO", non_retryable=True)

    converter = dataclasses.replace(
        DataConverter.default,
        payload_codec=data_converter(CodecOptions(type="aes-gcm", keys=KEYS, current="2026-11")).payload_codec,
        failure_converter_class=DefaultFailureConverterWithEncodedAttributes,
    )
    client = await Client.connect(lua.address, data_converter=converter)
    with lua.command.started(lua.command.script(WORKER + 'print("up")', "worker.lua"), name, json.dumps(NEW)) as worker:
        await asyncio.to_thread(read_until, worker, "up")
        async with Worker(client, task_queue=f"{name}-python", activities=[refuse]):
            text = (
                HEAD
                + """
                local worker = temporal.worker({ task_queue = name .. "-lua", codec = codec, workflows = {
                  Call = function(ctx, input)
                    local _, err = pcall(ctx.execute_activity, ctx, "refuse", input, { task_queue = name .. "-python" })
                    return { tostring(err), err.type, err.details }
                  end } })
                local client = temporal.connect({ codec = codec })
                client:start_workflow({ task_queue = name .. "-lua", workflow_type = "Call", workflow_id = name,
                  input = SECRET })
                local result = client:get_result({ workflow_id = name })
                worker:shutdown()
                print(json.encode(result))
                """
            )
            value = await asyncio.to_thread(run, lua, text, name, NEW)
        with pytest.raises(WorkflowFailureError) as raised:
            await client.execute_workflow(
                "Crash", id=f"{name}-crash", task_queue=name, retry_policy=RetryPolicy(maximum_attempts=1)
            )
        worker.terminate()
        await asyncio.to_thread(worker.wait, TIMEOUT)
    assert value == [f"activity 'refuse' failed: python {SECRET}", "NO", {"text": SECRET}]
    assert f"crashed: {SECRET}" in str(raised.value.__cause__)


@pytest.mark.parametrize(
    ("codec", "wanted"),
    [
        ({"type": "rot13", "keys": {}, "current": "a"}, "bad option 'codec.type' (one of \"aes-gcm\" expected"),
        ({"type": "aes-gcm", "keys": {}, "current": "a"}, "bad option 'codec.current' ('codec.keys' has no 'a'"),
        ({"type": "aes-gcm", "keys": {"a": "?secret?"}, "current": "a"}, "bad option 'codec.keys.a' (Base64 expected)"),
        ({"type": "aes-gcm", "keys": {"a": "c2VjcmV0"}, "current": "a"}, "(16, 24 or 32 bytes expected, got 6)"),
        ({"type": "aes-gcm", "keys": {"a": KEYS["2026-11"]}}, "missing option 'codec.current'"),
        ({"keys": {"a": KEYS["2026-11"]}, "current": "a"}, "missing option 'codec.type'"),
        ({**NEW, "key": "secret"}, "unknown option 'codec.key'"),
    ],
)
def test_bad_codecs_are_told(lua: Script, codec: Any, wanted: str) -> None:
    text = """
    local _, err = pcall(temporal.connect, { codec = json.parse(arg[1]) })
    local _, werr = pcall(temporal.worker,
      { codec = json.parse(arg[1]), task_queue = "q", activities = { a = function() end } })
    print(json.encode({ tostring(err), tostring(werr) }))
    """
    for told, function in zip(lua.value(text, json.dumps(codec)), ("connect", "worker"), strict=True):
        assert told.startswith(f"temporal.{function}: ") or f" temporal.{function}: " in told
        assert wanted in told
        assert "secret" not in told
