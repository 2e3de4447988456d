"""Replays on a real server: killed workers, replayed histories, code that changes during a run."""

from __future__ import annotations

import asyncio
import random
import secrets
import signal
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest
from temporalio.api.enums.v1 import EventType, WorkflowTaskFailedCause
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowHistory

from command import read_until
from temporal_runs import run_until, until_history_has
from temporal_script import Script
from timeouts import TIMEOUT
from workflow_session import count_types, replay

KILLS = 20
STEPS = 30

JOURNEY = """
local queue, folder, cached = arg[1] or "replay", arg[2], tonumber(arg[3])

-- Leaves a trace that no replay can take back: one file for each execution, whole or not there.
local function record(input, what)
  local id = crypto.uuid()
  fs.write(folder .. "/new-" .. id, tostring(time()))
  fs.rename(folder .. "/new-" .. id, folder .. "/" .. input.run .. "." .. input.step .. "." .. what .. "." .. id)
end

local function answer(input)
  record(input, "ran")
  sleep(0.05)
  return { step = input.step, seen = input.seen }
end

local KINDS = { alpha = answer, beta = answer, gamma = answer }

temporal.worker({
  task_queue = queue,
  max_cached_workflows = cached,
  activities = {
    alpha = KINDS.alpha,
    beta = KINDS.beta,
    gamma = KINDS.gamma,
    flaky = function(input)
      if #fs.glob(folder .. "/" .. input.run .. "." .. input.step .. ".failed.*") < 2 then
        record(input, "failed")
        error("not yet")
      end
      return answer(input)
    end,
  },
  workflows = {
    Journey = function(ctx)
      local run = ctx:workflow_info().workflow_id
      local names = {}
      for name in pairs(KINDS) do names[#names + 1] = name end
      local steps, signals = {}, {}
      for leg = 1, 3 do
        local effect = ctx:side_effect(function() return crypto.random(8) end)
        for i = 1, 10 do
          local step = (leg - 1) * 10 + i
          local kind = step == 15 and "flaky" or names[math.random(#names)]
          -- What is computed here must equal what was computed in the life in which the activity ran.
          local seen = effect .. crypto.uuid() .. os.time() .. math.random(1 << 50) .. table.concat(names)
          local result = ctx:execute_activity(kind, { run = run, step = step, seen = seen }, {
            start_to_close_timeout = 2, retry_policy = { initial_interval = 0.1, backoff_coefficient = 1 },
          })
          assert(result.seen == seen, "this replay computes something else")
          steps[step] = result.step
        end
        ctx:sleep(math.random(1, 3) / 10)
        signals[leg] = ctx:wait_signal("go")
      end
      return { steps = steps, signals = signals }
    end,
  },
})
print("polling")
"""


def check_steps(history: WorkflowHistory, folder: Path) -> int:
    """Check that no activity ran more often than the server asked, nor after it was completed.

    Returns how many attempts were lost with a worker.
    """
    ran: dict[str, list[float]] = {}
    failed: Counter[str] = Counter()
    for path in folder.glob(f"{history.workflow_id}.*"):
        _, step, what, _ = path.name.rsplit(".", 3)
        ran.setdefault(step, [])
        if what == "ran":
            ran[step].append(float(path.read_text()))
        else:
            failed[step] += 1
    assert failed == {"15": 2}
    scheduled = [event for event in history.events if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED]
    steps = {event.event_id: str(number) for number, event in enumerate(scheduled, 1)}
    started = {event.event_id: event.activity_task_started_event_attributes for event in history.events}
    lost = 0
    for event in history.events:
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED:
            completed = event.activity_task_completed_event_attributes
            step = steps.pop(completed.scheduled_event_id)
            attempts = started[completed.started_event_id].attempt
            assert 1 <= len(ran[step]) + failed[step] <= attempts, f"step {step}"
            assert max(ran[step]) < event.event_time.ToMicroseconds() / 1e6, f"step {step} ran after its completion"
            lost += attempts - 1 - failed[step]
    assert not steps
    return lost


async def kill_workers(lua: Script, name: str, seed: int) -> None:
    chance = random.Random(seed)
    script = lua.command.script(JOURNEY, "worker.lua")
    folder = lua.folder / "steps"
    folder.mkdir()
    client = await Client.connect(lua.address)
    handles, unsent = [], []
    for life in range(KILLS):
        handle = await client.start_workflow(
            "Journey", id=f"{name}-{life}", task_queue=name, task_timeout=timedelta(seconds=2)
        )
        handles.append(handle)
        unsent += [(handle, number) for number in (1, 2, 3)]
        # A killed worker with a cache leaves its runs waiting for 10 s, so most of them have none.
        cached = "0" if life % 4 else "1000"
        with lua.command.started(script, name, str(folder), cached) as process:
            read_until(process, "polling")
            for _ in range(chance.randrange(6)):
                if unsent:
                    target, number = unsent.pop(0)
                    await target.signal("go", number)
            await asyncio.sleep(chance.uniform(0.02, 2))
            assert process.poll() is None
            process.send_signal(signal.SIGKILL)
    with lua.command.started(script, name, str(folder), "1000") as process:
        for target, number in unsent:
            await target.signal("go", number)
        results = await asyncio.gather(*(handle.result() for handle in handles))
        process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(process.wait, TIMEOUT) == 0
        assert process.stderr is not None
        assert "ondeterminism" not in process.stderr.read()
    assert results == [{"steps": list(range(1, STEPS + 1)), "signals": [1, 2, 3]}] * KILLS
    histories = [await handle.fetch_history() for handle in handles]
    lost = 0
    for history in histories:
        types = count_types(history)
        assert types["WORKFLOW_TASK_FAILED"] == 0, history.workflow_id
        assert types["ACTIVITY_TASK_COMPLETED"] == STEPS
        assert types["MARKER_RECORDED"] == types["TIMER_FIRED"] == types["WORKFLOW_EXECUTION_SIGNALED"] == 3
        lost += check_steps(history, folder) + types["WORKFLOW_TASK_TIMED_OUT"]
    assert lost >= KILLS // 2, "the kills hit nothing"
    for hash_seed in (1, 271828):
        assert await replay(lua, histories, hash_seed=hash_seed) == (0, "")


@pytest.mark.timeout(480)
async def test_twenty_kills_lose_nothing(lua: Script, name: str) -> None:
    seed = secrets.randbits(32)
    try:
        await kill_workers(lua, name, seed)
    except BaseException as error:
        error.add_note(f"seed {seed}")
        raise


STEPWISE = """
temporal.worker({
  task_queue = arg[1] or "replay",
  on_workflow_error = arg[2],
  activities = { first = function() return 1 end, second = function() return 2 end, third = function() return 3 end },
  workflows = {
    Stepwise = function(ctx)
      local first = ctx:execute_activity("first")
      STEP
      ctx:wait_signal("go")
      return { first, second }
    end,
  },
})
print("polling")
"""
AS_IT_WAS = STEPWISE.replace("STEP", 'local second = ctx:execute_activity("second")')
CHANGED = STEPWISE.replace("STEP", 'local second = ctx:execute_activity("third")')
SHORTER = STEPWISE.replace("STEP", "local second = 2")
BROKEN = STEPWISE.replace("STEP", 'error("a bug")')


@pytest.mark.parametrize(
    ("changed", "names"),
    [
        (CHANGED, "Activity type of scheduled event 'second' does not match activity type of activity command 'third'"),
        (SHORTER, "HistoryEvent(id: 11, ActivityTaskScheduled)"),
    ],
    ids=["other activity", "no activity"],
)
async def test_code_that_does_not_match_its_history(lua: Script, name: str, changed: str, names: str) -> None:
    client = await Client.connect(lua.address)
    handle = await client.start_workflow("Stepwise", id=name, task_queue=name)
    # A task that is lost with its worker would time out, and the history does not contain the failures after that.
    await run_until(lua, AS_IT_WAS, name, "fail", until_history_has(handle, "WORKFLOW_TASK_COMPLETED", 3))
    await handle.signal("go")
    stderr = await run_until(lua, changed, name, "fail", until_history_has(handle, "WORKFLOW_TASK_FAILED"))
    history = await handle.fetch_history()
    failed = next(event for event in history.events if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED)
    failure = failed.workflow_task_failed_event_attributes
    assert failure.cause == WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_NON_DETERMINISTIC_ERROR
    assert names in failure.failure.message
    assert f"error: workflow 'Stepwise' ({name}) does not match its history: " in stderr
    assert names in stderr
    assert (await handle.describe()).status == WorkflowExecutionStatus.RUNNING
    code, problem = await replay(lua, [history], hash_seed=0)
    assert code == 1
    assert names in problem
    await run_until(lua, AS_IT_WAS, name, "fail", handle.result())
    assert await handle.result() == [1, 2]


async def test_one_workflow_is_suspended_and_another_fails(lua: Script, name: str) -> None:
    text = """
    local function broken(ctx) error("a bug") end
    temporal.worker({ task_queue = arg[1] or "replay", on_workflow_error = "fail",
      workflows = { Fails = broken, Waits = { run = broken, on_workflow_error = "suspend" } } })
    print("polling")
    """
    client = await Client.connect(lua.address)
    fails = await client.start_workflow("Fails", id=f"{name}-1", task_queue=name)
    waits = await client.start_workflow("Waits", id=f"{name}-2", task_queue=name)

    async def both() -> None:
        await until_history_has(fails, "WORKFLOW_EXECUTION_FAILED")
        await until_history_has(waits, "WORKFLOW_TASK_FAILED")

    await run_until(lua, text, name, "", both())
    assert (await waits.describe()).status == WorkflowExecutionStatus.RUNNING


async def test_a_fixed_script_carries_a_suspended_run_on(lua: Script, name: str) -> None:
    client = await Client.connect(lua.address)
    handle = await client.start_workflow("Stepwise", id=name, task_queue=name)
    stderr = await run_until(lua, BROKEN, name, "suspend", until_history_has(handle, "WORKFLOW_TASK_FAILED"))
    assert "worker.lua:9: a bug" in stderr
    assert (await handle.describe()).status == WorkflowExecutionStatus.RUNNING
    await handle.signal("go")
    await run_until(lua, AS_IT_WAS, name, "suspend", handle.result())
    assert await handle.result() == [1, 2]
    history = await handle.fetch_history()
    assert await replay(lua, [history], hash_seed=0) == (0, "")
