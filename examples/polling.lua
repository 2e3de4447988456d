-- Two ways to poll. Infrequent polling uses the retries of an activity, which do not grow the history. Frequent polling
-- happens within one attempt, whose heartbeats show that it is alive.

local asked = { slow = 0, quick = 0 }

local function wait_for_both(ctx)
  local slow = ctx:start_activity("ask_once", "slow", {
    start_to_close_timeout = 5,
    retry_policy = { initial_interval = 1, backoff_coefficient = 1 },
  })
  local quick = ctx:start_activity("ask_often", "quick", { start_to_close_timeout = 60, heartbeat_timeout = 5 })
  return ctx:await_all({ slow, quick })
end

-- A service that is not ready at first.
local function ask(name)
  asked[name] = asked[name] + 1
  return asked[name] > 2
end

local worker = temporal.worker({
  task_queue = "polling",
  workflows = { Poll = wait_for_both },
  activities = {
    ask_once = function(name)
      if not ask(name) then
        error("NOT_READY: ask again")
      end
      return name .. " is ready"
    end,
    ask_often = function(name)
      while not ask(name) do
        activity.heartbeat()
        sleep(0.1)
      end
      return name .. " is ready"
    end,
  },
})

local client = temporal.connect()
local run = client:start_workflow({ task_queue = "polling", workflow_type = "Poll" })
print(json.encode(client:get_result({ workflow_id = run.workflow_id })))
worker:shutdown()
