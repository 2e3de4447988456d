-- Races and deadlines: the first of two offers wins and the other is cancelled, a step that exceeds its deadline is
-- cancelled, and `future:done` checks a task without waiting.

local function race(ctx)
  local offers = { ctx:start_activity("ask", { shop = "slow", takes = 60 }, { heartbeat_timeout = 2 }) }
  offers[2] = ctx:start_activity("ask", { shop = "quick", takes = 0.2 })
  local deadline = ctx:start_timer(30, { summary = "the deadline of the offers" })
  local first, offer = ctx:await_any({ offers[1], offers[2], deadline })
  for i, other in ipairs(offers) do
    if i ~= first then
      other:cancel()
    end
  end
  deadline:cancel()

  local in_time, problem = pcall(ctx.with_timeout, ctx, 0.3, function()
    return ctx:execute_activity("ask", { shop = "closed", takes = 60 }, { heartbeat_timeout = 2 })
  end)

  local counted = ctx:spawn(function(from, to)
    for i = from, to do
      ctx:sleep(0.01)
      offer.seen = i
    end
    return "counted"
  end, 1, 3)
  local too_early = not ctx:await_any({ counted }, { timeout = 0 }) and not counted:done()
  return {
    offer = offer,
    late = not in_time and problem.kind,
    results = ctx:await_all({ counted, ctx:start_timer(0.01) }),
    too_early = too_early,
  }
end

local worker = temporal.worker({
  task_queue = "race",
  workflows = { Race = race },
  activities = {
    ask = function(shop)
      local left = shop.takes
      while left > 0 do
        activity.heartbeat() -- a cancel is raised here, or in the sleep
        sleep(math.min(left, 0.2))
        left = left - 0.2
      end
      return { from = shop.shop }
    end,
  },
})

local client = temporal.connect()
print(json.encode(client:execute_workflow({ task_queue = "race", workflow_type = "Race" })))
worker:shutdown()
