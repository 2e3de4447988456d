"""Encryption of payloads on a real server, observed by the Temporal CLI."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from temporalio.api.common.v1 import Payload
from temporalio.client import Client, Schedule, ScheduleActionStartWorkflow, ScheduleSpec

from assay.temporal.client.connect import connect_client
from assay.temporal.connection.options import ConnectionOptions
from assay.temporal.data.codec import CodecOptions
from encrypted_runs import (
    KEYS,
    NEW,
    SECRET,
    assert_encrypted,
    inline,
)
from inline_lua import InlineLua
from temporal_script import Script

# What is encrypted ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "result"),
    [
        ("return { input, 1, 2.5 }", [SECRET, 1, 2.5]),
        ('return ctx:execute_activity("echo", { SECRET })', [SECRET]),
        ('return ctx:execute_activity("beat", SECRET, { heartbeat_timeout = 30 })', {"at": SECRET}),
        ("return ctx:side_effect(function() return SECRET end)", SECRET),
        ('return ctx:execute_child_workflow("Child", SECRET)', SECRET),
    ],
    ids=["input and result", "activity", "heartbeat details", "side effect", "child workflow"],
)
async def test_a_payload_is_encrypted(inline_lua: InlineLua, lua: Script, name: str, body: str, result: Any) -> None:
    assert await inline_lua(inline(body), NEW) == result
    assert_encrypted(lua, name)


async def test_a_failure_of_an_activity_is_encrypted(inline_lua: InlineLua, lua: Script, name: str) -> None:
    failure = await inline_lua(
        inline("""
        local ok, err = pcall(ctx.execute_activity, ctx, "refuse", SECRET)
        return { message = err.cause.message, code = err.details.code, type = err.type }
        """),
        NEW,
    )
    assert failure == {"message": f"refused {SECRET}", "code": SECRET, "type": "UnknownQuery"}
    assert_encrypted(lua, name)


async def test_the_result_of_an_activity_that_ends_from_outside_is_encrypted(
    inline_lua: InlineLua, lua: Script, name: str
) -> None:
    code = inline(
        'return ctx:execute_activity("open")',
        """
        start("Run", nil, name)
        wait_for(function() return token end)
        client:complete_activity({ task_token = token, result = SECRET })
        return result(name)
        """,
    )
    assert await inline_lua(code, NEW) == SECRET
    assert_encrypted(lua, name)


async def test_a_signal_is_encrypted(inline_lua: InlineLua, lua: Script, name: str) -> None:
    code = inline(
        'return ctx:wait_signal("go")',
        """
        start("Run", nil, name)
        client:signal_workflow({ workflow_id = name, signal_name = "go", input = SECRET })
        return result(name)
        """,
    )
    assert await inline_lua(code, NEW) == SECRET
    assert_encrypted(lua, name)


QUERIES = """
ctx:register_query("state", function(given) return { given = given, secret = SECRET } end)
ctx:register_query("broken", function() error("query " .. SECRET) end)
ctx:wait_signal("go")
"""


async def test_a_query_gets_its_input_and_gives_its_answer(inline_lua: InlineLua, name: str) -> None:
    code = inline(
        QUERIES,
        """
        start("Run", nil, name)
        return client:query_workflow({ workflow_id = name, query_type = "state", input = SECRET })
        """,
    )
    assert await inline_lua(code, NEW) == {"given": SECRET, "secret": SECRET}


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("broken", "client:query_workflow: the query failed; its error is encrypted"),
        ("other", "client:query_workflow: query 'other' is not registered (registered: broken, state)"),
    ],
)
async def test_an_error_of_a_query_hides_what_the_script_said(inline_lua: InlineLua, query: str, message: str) -> None:
    code = inline(
        QUERIES,
        f"""
        start("Run", nil, name)
        local ok, err = pcall(client.query_workflow, client, {{ workflow_id = name, query_type = "{query}" }})
        return tostring(err)
        """,
    )
    assert await inline_lua(code, NEW) == message


CATCH = """
local ok, err = pcall(result, start(WORKFLOW_TYPE, nil, name))
return { message = tostring(err), kind = err.kind, type = err.type, details = err.details }
"""


async def test_a_failure_that_a_workflow_raises_again_is_encrypted(
    inline_lua: InlineLua, lua: Script, name: str
) -> None:
    code = inline(
        """
        local ok, err = pcall(ctx.execute_activity, ctx, "refuse", SECRET)
        error(err)
        """,
        CATCH.replace("WORKFLOW_TYPE", '"Run"'),
    )
    assert await inline_lua(code, NEW) == {
        "message": f"activity 'refuse' failed: refused {SECRET}",
        "kind": "activity",
        "type": "UnknownQuery",
        "details": {"code": SECRET},
    }
    assert_encrypted(lua, name)


async def test_an_error_of_a_workflow_is_encrypted(inline_lua: InlineLua, lua: Script, name: str) -> None:
    failure = await inline_lua(inline("", CATCH.replace("WORKFLOW_TYPE", '"Crash"')), NEW)
    assert failure["message"].endswith(f": crashed: {SECRET}")
    assert_encrypted(lua, name)


async def test_a_payload_has_the_layout_of_the_samples_of_temporal(
    inline_lua: InlineLua, lua: Script, name: str
) -> None:
    await inline_lua(inline("", 'result(start("Run", { SECRET, 1, 2.5 }, name))'), NEW)
    events = lua.cli("workflow", "show", "--workflow-id", name)["events"]
    payload = events[0]["workflowExecutionStartedEventAttributes"]["input"]["payloads"][0]
    metadata = {key: base64.b64decode(text).decode() for key, text in payload["metadata"].items()}
    assert metadata == {
        "encoding": "binary/encrypted",
        "encryption-key-id": "2026-11",
        "encryption-cipher": "AES/GCM/NoPadding",
    }
    data = base64.b64decode(payload["data"])  # the nonce, then the sealed payload
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
