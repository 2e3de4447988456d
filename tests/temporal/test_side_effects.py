"""`ctx:side_effect`: runs a function once, on a copy of the run's state, and records its result."""

from __future__ import annotations

import pytest

from workflow_session import Session

WORKER = """
count = 0
local workflows = {}

-- Return the result of a side effect, and the variable that it wrote to.
function workflows.Counts(ctx)
  local given = ctx:side_effect(function()
    count = count + 1
    return { count = count, list = json.empty_array }
  end)
  return { given = given, count = count }
end

-- Return what a side effect gives, by the name of the function that it runs.
local functions = {
  time = function() return time() end,
  ["random bytes"] = function() return crypto.random(16) end,
  ["a random number"] = function() return math.random(5, 5) end,
  nothing = function() end,
}
function workflows.Gives(ctx, name)
  return ctx:side_effect(functions[name])
end

-- Return the error of a side effect.
function workflows.Fails(ctx, name)
  local failing = {
    ["an error"] = function() error("OOPS: in there") end,
    ["a use of ctx"] = function() ctx:sleep(1) end,
    ["a request"] = function() http.get("http://127.0.0.1:1") end,
  }
  local _, err = pcall(ctx.side_effect, ctx, failing[name])
  return { message = tostring(err), type = err.type }
end

-- A side effect and a query that write to all kinds of state.
function workflows.Writes(ctx)
  local state = { seen = 1 }
  ctx:register_query("write", function()
    count, state.seen = count + 5, state.seen + 1
    return { count = count, seen = state.seen }
  end)
  ctx:side_effect(function()
    count, state.seen = count + 1, 9
    math.randomseed(1)
    tostring({})
  end)
  ctx:wait_signal("go")
  return { count = count, seen = state.seen, address = tostring({}) }
end

temporal.worker({ task_queue = arg[1] or "replay", workflows = workflows })
print("polling")
"""


async def test_a_side_effect_works_on_a_copy_of_the_state(session: Session) -> None:
    result = await session.run("Counts")
    assert result == {"given": {"count": 1, "list": []}, "count": 0}


async def test_a_side_effect_sees_the_real_time(session: Session) -> None:
    assert await session.run("Gives", "time") > 1.7e9


async def test_a_side_effect_gets_real_random_bytes(session: Session) -> None:
    first, second = await session.run("Gives", "random bytes"), await session.run("Gives", "random bytes")
    assert len(first) == len(second) == 32  # hexadecimal digits
    assert first != second


async def test_a_side_effect_can_use_math_random(session: Session) -> None:
    assert await session.run("Gives", "a random number") == 5


async def test_a_side_effect_may_return_nothing(session: Session) -> None:
    assert await session.run("Gives", "nothing") is None


@pytest.mark.parametrize(
    ("function", "message", "error_type"),
    [
        ("an error", "OOPS: in there", "OOPS"),
        (
            "a use of ctx",
            "'ctx' is a Context, which cannot be used in a side effect: read the values it needs",
            "LuaError",
        ),
        ("a request", "http.get: not allowed in a workflow", "LuaError"),
    ],
    ids=["an error", "a use of ctx", "a request"],
)
async def test_the_workflow_gets_the_error_of_a_side_effect(
    session: Session, function: str, message: str, error_type: str
) -> None:
    error = await session.run("Fails", function)
    assert message in error["message"]
    assert error["type"] == error_type


async def test_writes_of_a_side_effect_and_a_query_are_discarded(session: Session) -> None:
    handle = await session.start("Writes")
    for _ in range(2):
        assert await handle.query("write") == {"count": 5, "seen": 2}
    await handle.signal("go")
    assert await session.end(handle) == {"count": 0, "seen": 1, "address": "table: 0x00000002"}
