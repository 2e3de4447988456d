"""Keys of encrypted payloads: old ones, missing ones, replays, other SDKs and bad options."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import subprocess
import sys
from typing import Any

import pytest
from temporalio import activity
from temporalio.client import Client, WorkflowFailureError
from temporalio.common import RetryPolicy
from temporalio.converter import DataConverter, DefaultFailureConverterWithEncodedAttributes
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

import replay
from activity_runs import working
from assay.temporal.client.conversion import data_converter
from assay.temporal.data.codec import CodecOptions
from command import read_until, wait_for
from encrypted_runs import (
    KEYS,
    MISSING,
    NEW,
    OLD,
    SECRET,
    WORKER,
    WRONG,
    history,
    inline,
    worker_process,
)
from inline_lua import InlineLua
from temporal_script import Script
from timeouts import TIMEOUT

# Keys -----------------------------------------------------------------------------------------------------------


async def test_payloads_of_an_older_key_are_read(inline_lua: InlineLua, lua: Script, name: str) -> None:
    code = inline(
        "",
        """
        local older = temporal.connect({ codec = select(2, ...) })
        older:start_workflow({ task_queue = name, workflow_type = "Wait", workflow_id = name, input = SECRET })
        client:signal_workflow({ workflow_id = name, signal_name = "go", input = SECRET })
        return result(name)
        """,
    )
    assert await inline_lua(code, NEW, OLD) == {"input": SECRET, "signal": SECRET}
    assert SECRET not in history(lua, name)


@pytest.mark.parametrize(
    ("codec", "message"),
    [
        (OLD, "a payload is encrypted with the key '2026-11', which is not in 'codec.keys' (known: '2026-10')"),
        (
            WRONG,
            "a payload that is encrypted with the key '2026-11' cannot be decrypted: "
            "'codec.keys' has a different key under this id, or the payload is damaged",
        ),
        (None, MISSING),
    ],
    ids=["older key", "wrong key", "no codec"],
)
async def test_a_result_cannot_be_read_without_its_key(inline_lua: InlineLua, codec: Any, message: str) -> None:
    code = inline(
        "return SECRET",
        """
        result(start("Run", nil, name))
        local other = temporal.connect({ codec = select(2, ...) })
        local ok, err = pcall(other.get_result, other, { workflow_id = name, timeout = 100 })
        return { ok = ok, message = tostring(err) }
        """,
    )
    seen = await inline_lua(code, NEW, codec)
    assert not seen["ok"]
    assert seen["message"].endswith(f"client:get_result: {message}")
    assert SECRET not in seen["message"]


@pytest.mark.parametrize(
    ("codec", "problem"),
    [(None, MISSING), (WRONG, "a payload that is encrypted with the key '2026-11' cannot be decrypted")],
    ids=["no codec", "wrong key"],
)
async def test_a_failure_cannot_be_read_without_its_key(inline_lua: InlineLua, codec: Any, problem: str) -> None:
    code = inline(
        "",
        """
        pcall(result, start("Crash", nil, name))
        local other = temporal.connect({ codec = select(2, ...) })
        local ok, err = pcall(other.get_result, other, { workflow_id = name })
        return tostring(err)
        """,
    )
    message = await inline_lua(code, NEW, codec)
    assert problem in message
    assert SECRET not in message


async def test_a_worker_without_the_key_leaves_the_run_to_one_that_has_it(
    inline_lua: InlineLua, lua: Script, name: str
) -> None:
    await inline_lua(
        """
        client = temporal.connect({ codec = ... })
        start("Wait", "plaintext-4711", name)
        client:signal_workflow({ workflow_id = name, signal_name = "go", input = "plaintext-4711" })
        """,
        NEW,
    )
    with worker_process(lua, name, None) as worker:
        assert worker.stderr is not None
        started, problem = worker.stderr.readline(), worker.stderr.readline()
        assert ("ASSAY1017" in started, MISSING in problem) == (True, True)
    with worker_process(lua, name, NEW):
        result = await inline_lua("client = temporal.connect({ codec = ... }) return result(name)", NEW)
    assert result == {"input": SECRET, "signal": SECRET}


async def test_an_activity_fails_if_only_the_workflows_worker_has_the_key(inline_lua: InlineLua, name: str) -> None:
    message = await inline_lua(
        """
        local codec = ...
        local activity_queue = name .. "-a"
        temporal.worker({ task_queue = name, codec = codec, workflows = {
          Try = function(ctx, input)
            local ok, err = pcall(ctx.execute_activity, ctx, "echo", input,
              { task_queue = activity_queue, retry_policy = { maximum_attempts = 1 } })
            return tostring(err)
          end } })
        temporal.worker({ task_queue = activity_queue, activities = { echo = function(input) return input end } })
        client = temporal.connect({ codec = codec })
        return run("Try", "plaintext-4711")
        """,
        NEW,
    )
    assert message == f"activity 'echo' failed: Failed decoding arguments: {MISSING}"


# Replays --------------------------------------------------------------------------------------------------------

LONG = """
local side = ctx:side_effect(function() return SECRET .. "-side" end)
local child = ctx:execute_child_workflow("Child", SECRET)
local completed = ctx:execute_activity("open")
return { side = side, child = child, completed = completed, signal = ctx:wait_signal("go") }
"""


async def test_an_encrypted_run_continues_in_another_process(inline_lua: InlineLua, lua: Script, name: str) -> None:
    worker = WORKER.replace("BODY", LONG)
    worker = worker.replace("activity.complete_async()", 'fs.write("token", token) activity.complete_async()')
    script = f"""
    name, codec = arg[1], json.parse(arg[2])
    {worker}
    print("up")
    """
    token = lua.folder / "token"
    with working(lua, script, name, json.dumps(NEW)) as process:
        read_until(process, "up")
        await inline_lua('client = temporal.connect({ codec = ... }) start("Run", 1, name)', NEW)
        await asyncio.to_thread(wait_for, token.exists)
        process.terminate()
        process.wait(TIMEOUT)
    with working(lua, script, name, json.dumps(NEW)) as process:
        read_until(process, "up")
        result = await inline_lua(
            """
            local codec, token = ...
            client = temporal.connect({ codec = codec })
            client:complete_activity({ task_token = token, result = "done" })
            client:signal_workflow({ workflow_id = name, signal_name = "go", input = "plaintext-4711" })
            return result(name)
            """,
            NEW,
            token.read_text(),
        )
        process.terminate()
        process.wait(TIMEOUT)
    assert result == {"side": f"{SECRET}-side", "child": SECRET, "completed": "done", "signal": SECRET}
    assert SECRET not in history(lua, name)


async def test_an_encrypted_history_replays_only_with_its_key(inline_lua: InlineLua, lua: Script, name: str) -> None:
    steps = """
    start("Run", SECRET, name)
    wait_for(function() return token end)
    client:complete_activity({ task_token = token, result = SECRET })
    client:signal_workflow({ workflow_id = name, signal_name = "go", input = SECRET })
    result(name)
    """
    await inline_lua(inline(LONG, steps), NEW)
    recorded = lua.folder / "history.json"
    recorded.write_text(json.dumps(lua.cli("workflow", "show", "--workflow-id", name)), encoding="utf-8")
    script = lua.command.script(f"name = {json.dumps(name)} {WORKER.replace('BODY', LONG)}", "again.lua")

    def replayed(codec: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, replay.__file__, str(lua.folder / script), str(recorded)],
            env=os.environ | {"CODEC": json.dumps(codec)},
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )

    matching = replayed(NEW)
    assert matching.returncode == 0, matching.stderr
    assert replayed(WRONG).returncode != 0


# Other SDKs -----------------------------------------------------------------------------------------------------


async def python_client(lua: Script) -> Client:
    """Return a client with the codec and the SDK's own way to hide messages."""
    converter = dataclasses.replace(
        DataConverter.default,
        payload_codec=data_converter(CodecOptions(type="aes-gcm", keys=KEYS, current="2026-11")).payload_codec,
        failure_converter_class=DefaultFailureConverterWithEncodedAttributes,
    )
    return await Client.connect(lua.address, data_converter=converter)


async def test_a_failure_of_a_python_activity_is_read(inline_lua: InlineLua, lua: Script, name: str) -> None:
    @activity.defn
    async def refuse(text: str) -> str:
        raise ApplicationError(f"python {text}", {"text": text}, type="NO", non_retryable=True)

    code = """
    local codec = ...
    temporal.worker({ task_queue = name, codec = codec, workflows = {
      Call = function(ctx, input)
        local ok, err = pcall(ctx.execute_activity, ctx, "refuse", input, { task_queue = input .. "-python" })
        return { message = tostring(err), type = err.type, details = err.details }
      end } })
    client = temporal.connect({ codec = codec })
    return run("Call", name)
    """
    async with Worker(await python_client(lua), task_queue=f"{name}-python", activities=[refuse]):
        failure = await inline_lua(code, NEW)
    assert failure == {
        "message": f"activity 'refuse' failed: python {name}",
        "type": "NO",
        "details": {"text": name},
    }


async def test_a_python_client_reads_the_error_of_a_workflow(inline_lua: InlineLua, lua: Script, name: str) -> None:
    client = await python_client(lua)
    worker = asyncio.ensure_future(inline_lua(inline("", "wait_for(function() return false end)"), NEW))
    with pytest.raises(WorkflowFailureError) as raised:
        await client.execute_workflow("Crash", id=name, task_queue=name, retry_policy=RetryPolicy(maximum_attempts=1))
    worker.cancel()
    with pytest.raises(asyncio.CancelledError):
        await worker
    assert f"crashed: {SECRET}" in str(raised.value.__cause__)


# Options --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("function", ["connect", "worker"])
@pytest.mark.parametrize(
    ("codec", "problem"),
    [
        ({"type": "rot13", "keys": {}, "current": "a"}, "bad option 'codec.type' (one of \"aes-gcm\" expected"),
        ({"type": "aes-gcm", "keys": {}, "current": "a"}, "bad option 'codec.current' ('codec.keys' has no 'a'"),
        ({"type": "aes-gcm", "keys": {"a": "?secret?"}, "current": "a"}, "bad option 'codec.keys.a' (Base64 expected)"),
        ({"type": "aes-gcm", "keys": {"a": "c2VjcmV0"}, "current": "a"}, "(16, 24 or 32 bytes expected, got 6)"),
        ({"type": "aes-gcm", "keys": {"a": KEYS["2026-11"]}}, "missing option 'codec.current'"),
        ({"keys": {"a": KEYS["2026-11"]}, "current": "a"}, "missing option 'codec.type'"),
        ({**NEW, "key": "secret"}, "unknown option 'codec.key'"),
    ],
    ids=["type", "unknown current key", "no Base64", "short key", "no current key", "no type", "unknown option"],
)
async def test_a_bad_codec_is_refused_without_its_keys(
    inline_lua: InlineLua, function: str, codec: Any, problem: str
) -> None:
    message = await inline_lua(
        """
        local fn, codec = ...
        local ok, err = pcall(temporal[fn], { codec = codec,
          task_queue = fn == "worker" and "q" or nil, activities = fn == "worker" and { a = print } or nil })
        return tostring(err)
        """,
        function,
        codec,
    )
    assert message.startswith(f"temporal.{function}: ")
    assert problem in message
    assert "secret" not in message
