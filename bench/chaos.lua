-- The worker of chaos.py: workflows with known results and effects.
local queue, counter = arg[1] or "replay", arg[2] or ""

local function effect(input)
  local info = activity.info()
  local step = { workflow = info.workflow_id, step = input.step, attempt = info.attempt, token = info.task_token }
  local response = http.post(counter, json.encode(step))
  if response.status ~= 200 then
    error("the effect counter returned status " .. response.status)
  end
  sleep(input.takes or 0)
  return input.value
end

local options = {
  start_to_close_timeout = 20,
  heartbeat_timeout = 3,
  retry_policy = { initial_interval = 0.1, backoff_coefficient = 1 },
}

local function step(ctx, name, value, takes)
  return ctx:execute_activity("effect", { step = name, value = value, takes = takes }, options)
end

temporal.worker({
  task_queue = queue,
  sticky_queue_schedule_to_start_timeout = 1,
  graceful_shutdown_timeout = 5,
  activities = {
    effect = { run = effect, auto_heartbeat = true },
    double = function(n)
      return n * 2
    end,
  },
  workflows = {
    Steps = function(ctx, n)
      local sum = 0
      for i = 1, 4 do
        sum = sum + step(ctx, "s" .. i, n + i, 0.05)
        ctx:sleep(0.05)
      end
      return sum
    end,
    Fan = function(ctx, n)
      local futures = {}
      for i = 1, 5 do
        local input = { step = "f" .. i, value = n * i, takes = 0.02 * i }
        futures[i] = ctx:start_activity("effect", input, options)
      end
      local sum = ctx:execute_local_activity("double", n)
      for _, value in ipairs(ctx:await_all(futures)) do
        sum = sum + value
      end
      return sum
    end,
    Messages = function(ctx, n)
      local total, signals = 0, 0
      ctx:register_update("add", function(value)
        total = total + step(ctx, "u" .. value, value)
        return total
      end)
      ctx:on_signal("tick", function()
        signals = signals + 1
      end)
      local token = ctx:side_effect(function()
        return n
      end)
      ctx:wait_condition(function()
        return signals >= 2 and total >= 3
      end)
      ctx:wait_condition(function()
        return ctx:all_handlers_finished()
      end)
      return { total = total, token = token, child = ctx:execute_child_workflow("Steps", n) }
    end,
  },
})
