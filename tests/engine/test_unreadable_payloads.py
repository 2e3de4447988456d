"""Payloads that cannot be decoded: an error names the problem and the place, and the rest is unaffected."""

from __future__ import annotations

import logging

import pytest
from temporalio.api.common.v1 import Header, Memo, Payload, Payloads

from engine import jobs
from engine.driver import Drive, failure, result

UNREADABLE = {
    "NaN": (jobs.raw(b"NaN"), "invalid JSON: "),
    "infinity inside": (jobs.raw(b'{"a": [1, Infinity]}'), "invalid JSON: "),
    "half of a surrogate pair": (jobs.raw(b'"\\ud800"'), "invalid JSON: "),
    "truncated": (jobs.raw(b'{"a": 1'), "invalid JSON: "),
    "nothing": (jobs.raw(b""), "invalid JSON: "),
    "no UTF-8": (jobs.raw(b'"\xff"'), "invalid JSON: "),
    "invalid protobuf JSON": (jobs.raw(b"{", b"json/protobuf"), "invalid JSON: "),
    "unknown encoding": (
        jobs.raw(b"x", b"binary/encrypted"),
        "a payload with the encoding 'binary/encrypted' cannot be read",
    ),
    "no encoding": (Payload(data=b"x"), "a payload without an encoding cannot be read"),
}
each_payload = pytest.mark.parametrize(("payload", "why"), list(UNREADABLE.values()), ids=UNREADABLE)


@each_payload
def test_as_the_workflows_input(drive: Drive, payload: Payload, why: str) -> None:
    for given, number in (([payload], 1), ([{"a": 1}, payload, 3], 2)):
        driver = drive("return function(ctx, ...) return select('#', ...) end")
        failed = failure(driver.start(*given))
        assert failed["message"].startswith(f"cannot read the workflow's input: argument {number}: {why}")
        assert failed["application_failure_info"] == {"type": "BadInput", "non_retryable": True}


def test_as_the_input_of_a_workflow_that_suspends(drive: Drive) -> None:
    driver = drive("return function(ctx) end", suspend=True)
    assert failure(driver.start(jobs.raw(b"NaN")))["application_failure_info"]["type"] == "BadInput"


def test_an_input_that_only_lua_cannot_read(drive: Drive) -> None:
    driver = drive("return function(ctx, ...) return select('#', ...) end")
    failed = failure(driver.start(1, jobs.raw(b"[" * 1010 + b"]" * 1010)))
    assert failed["message"].startswith("cannot read the workflow's input: argument 2: ")
    assert failed["application_failure_info"] == {"type": "BadInput", "non_retryable": True}


SIGNALS = """
return function(ctx)
  local log = {}
  ctx:on_signal("named", function(value) log[#log + 1] = value end)
  ctx:on_dynamic_signal(function(name, value) log[#log + 1] = name .. value end)
  local waited = ctx:wait_signal("waited")
  ctx:wait_signal("end")
  return { waited, log, ctx:all_handlers_finished() }
end
"""


@each_payload
@pytest.mark.parametrize("name", ["named", "waited", "any"])
def test_as_a_signal(drive: Drive, name: str, payload: Payload, why: str, caplog: pytest.LogCaptureFixture) -> None:
    driver = drive(SIGNALS)
    driver.start()
    with caplog.at_level(logging.WARNING):
        assert driver.send(jobs.signal(name, payload)) == []
    assert f"dropped the signal '{name}', which cannot be read: argument 1: {why}" in caplog.text
    assert driver.failure == ""
    driver.send(jobs.signal("named", 1), jobs.signal("any", 2), jobs.signal("waited", 3))
    assert result(driver.send(jobs.signal("end"))) == [3, [1, "any2"], True]


@each_payload
def test_as_an_update(drive: Drive, payload: Payload, why: str) -> None:
    driver = drive("""
    return function(ctx)
      ctx:register_update("u", function(x) return x end, { validator = function() end })
      ctx:sleep(9)
    end
    """)
    driver.start()
    (command,) = driver.send(jobs.update("u", payload))
    rejected = command["update_response"]["rejected"]
    assert rejected["message"].startswith(f"cannot read the update 'u': argument 1: {why}")
    assert rejected["application_failure_info"] == {"type": "BadInput", "non_retryable": True}


@each_payload
def test_as_a_query(drive: Drive, payload: Payload, why: str) -> None:
    driver = drive("return function(ctx) ctx:register_query('q', function(x) return x end) ctx:sleep(9) end")
    driver.start()
    (command,) = driver.send(jobs.query("q", payload))
    failed = command["respond_to_query"]["failed"]
    assert failed["message"].startswith(f"cannot read the query 'q': argument 1: {why}")


RESULTS = {
    "activity": ('activity("act")', jobs.activity, "activity 'act'"),
    "local activity": ('local_activity("act")', jobs.local_activity, "local activity 'act'"),
    "child": ('child_workflow("Child")', jobs.child, "child workflow 'Child'"),
    "nexus": ('nexus_operation({ endpoint = "e", service = "s", operation = "op" })', jobs.nexus, "operation 'op'"),
}


@each_payload
@pytest.mark.parametrize("step", RESULTS)
def test_as_a_result(drive: Drive, step: str, payload: Payload, why: str) -> None:
    call, job, title = RESULTS[step]
    driver = drive(f"""
    return function(ctx)
      local future = ctx:start_{call}
      local first, problem = pcall(function() return future:get() end)
      local second, same = pcall(future.get, future)
      return {{ first, second, tostring(problem), tostring(same):find(tostring(problem), 1, true) ~= nil }}
    end
    """)
    driver.start()
    if step == "child":
        driver.send(jobs.child_started(1))
    first, second, problem, _ = result(driver.send(job(1, payload)))
    assert (first, second) == (False, False)
    assert f"cannot read the result of {title}: {why}" in problem


@pytest.mark.parametrize("step", RESULTS)
def test_an_uncaught_result_fails_the_workflow(drive: Drive, step: str) -> None:
    call, job, title = RESULTS[step]
    driver = drive(f"return function(ctx) ctx:execute_{call} end")
    driver.start()
    if step == "child":
        driver.send(jobs.child_started(1))
    message = failure(driver.send(job(1, jobs.raw(b"NaN"))))["message"]
    method = f"ctx:execute_{call.partition('(')[0]}"
    assert message.startswith(f"workflow.lua:1: {method}: cannot read the result of {title}: ")


@each_payload
def test_as_a_detail_of_a_failure(drive: Drive, payload: Payload, why: str) -> None:
    driver = drive("""
    return function(ctx)
      local _, problem = pcall(ctx.execute_activity, ctx, "act")
      return { problem.type, tostring(problem), problem.details }
    end
    """)
    driver.start()
    given = jobs.activity_failure(jobs.application("no luck", "UNLUCKY", 1, payload, 3))
    type, message, details = result(driver.send(jobs.activity(1, failure=given)))
    assert (type, message) == ("UNLUCKY", "activity 'act' failed: no luck")
    assert (details[0], details[2]) == (1, 3)
    assert details[1].startswith(f"(unreadable: {why}")


@each_payload
def test_as_the_encrypted_part_of_a_failure(drive: Drive, payload: Payload, why: str) -> None:
    driver = drive("""
    return function(ctx)
      local _, problem = pcall(ctx.execute_activity, ctx, "act")
      return tostring(problem)
    end
    """)
    driver.start()
    given = jobs.application("Encoded failure")
    given.encoded_attributes.CopyFrom(payload)
    failed = jobs.activity(1, failure=jobs.activity_failure(given))
    assert result(driver.send(failed)) == "activity 'act' failed: Encoded failure", why


@each_payload
def test_as_a_field_of_the_memo(drive: Drive, payload: Payload, why: str, caplog: pytest.LogCaptureFixture) -> None:
    driver = drive("return function(ctx) return ctx:workflow_info().memo end")
    with caplog.at_level(logging.WARNING):
        commands = driver.start(memo=Memo(fields={"bad": payload, "good": jobs.payload(1)}))
    assert result(commands) == {"good": 1}
    assert f"cannot read the memo 'bad': {why}" in caplog.text


@each_payload
def test_as_the_last_result_of_a_cron_workflow(drive: Drive, payload: Payload, why: str) -> None:
    driver = drive("return function(ctx) return ctx:workflow_info().last_result == nil end")
    assert result(driver.start(last_completion_result=Payloads(payloads=[payload]))) is True, why


@each_payload
def test_as_the_last_failure_of_a_workflow(drive: Drive, payload: Payload, why: str) -> None:
    driver = drive(
        "return function(ctx) local f = ctx:workflow_info().last_failure return { f.message, f.details } end"
    )
    message, details = result(driver.start(continued_failure=jobs.application("before", "Oops", payload)))
    assert message == "before"
    assert details.startswith(f"(unreadable: {why}")


@each_payload
def test_as_a_header(drive: Drive, payload: Payload, why: str) -> None:
    driver = drive("return function(ctx) return (ctx:wait_signal('s')) end")
    headers = {"_tracer-data": payload, "other": payload}
    driver.start(headers=headers)
    job = jobs.signal("s", why)
    for name, value in Header(fields=headers).fields.items():
        job.signal_workflow.headers[name].CopyFrom(value)
    assert result(driver.send(job)) == why


def test_bytes_arrive_as_they_are(drive: Drive) -> None:
    driver = drive("return function(ctx, bytes) return { #bytes, bytes:byte(1, -1) } end")
    assert result(driver.start(jobs.raw(b"\xff\x00=", b"binary/plain"))) == [3, 255, 0, 61]
