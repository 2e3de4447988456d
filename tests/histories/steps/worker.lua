local attempts = 0

temporal.worker({
  task_queue = arg[1] or "replay",
  activities = {
    several = function(...) return { select("#", ...), ... } end,
    flaky = function()
      attempts = attempts + 1
      if attempts % 3 ~= 0 then error("not yet") end
      return activity.info().attempt
    end,
    slow = function() sleep(5) end,
  },
  workflows = {
    Options = function(ctx)
      local options = { args = { 1, "two", { 3 } }, schedule_to_start_timeout = 61, schedule_to_close_timeout = 62,
        start_to_close_timeout = 63, heartbeat_timeout = 64, activity_id = "mine", summary = "an activity",
        cancellation_type = "abandon", priority = { priority_key = 2, fairness_key = "tenant", fairness_weight = 1.5 } }
      local several = ctx:execute_activity("several", nil, options)
      ctx:start_activity("several", 1, { priority = 4, task_queue = ctx:workflow_info().task_queue }):get()
      return several
    end,
    Local = function(ctx)
      local several = ctx:execute_local_activity("several", nil,
        { args = { 1, 2 }, summary = "here", activity_id = "local" })
      local attempt = ctx:execute_local_activity("flaky", nil, { retry_policy = { initial_interval = 0.1 } })
      local backoff = ctx:execute_local_activity("flaky", nil,
        { retry_policy = { initial_interval = 1, backoff_coefficient = 1 }, local_retry_threshold = 0.1 })
      local late = ctx:start_local_activity("slow", nil,
        { start_to_close_timeout = 0.1, retry_policy = { maximum_attempts = 1 } })
      local _, err = pcall(late.get, late)
      local f = ctx:start_local_activity("slow")
      f:cancel()
      local _, cancelled = pcall(f.get, f)
      return { several, attempt, backoff, err.kind, err.cause.kind, cancelled.kind }
    end,
    Unknown = function(ctx) return ctx:execute_local_activity("nowhere") end,
    Child = function(ctx, ...)
      local signal = ctx:wait_signal("greet", { timeout = 30 })
      return { signal, ... }
    end,
    Failing = function(ctx) error({ type = "CHILD_FAILED", message = "no" }) end,
    Children = function(ctx)
      local id = ctx:workflow_info().workflow_id .. "-child"
      local child = ctx:start_child_workflow("Child", nil, { workflow_id = id, args = { 1, 2 }, execution_timeout = 61,
        run_timeout = 62, task_timeout = 7, memo = { note = { "a" } }, search_attributes = { FlowColour = "k" },
        static_summary = "a child", static_details = "of a test", priority = 5, id_reuse_policy = "reject_duplicate",
        parent_close_policy = "request_cancel", retry_policy = { maximum_attempts = 2 } })
      local early = { child.workflow_id == id, child.run_id == nil }
      child:signal("greet", "hello")
      local started = #child.run_id
      local twice = ctx:start_child_workflow("Child", nil, { workflow_id = id, id_reuse_policy = "reject_duplicate" })
      local _, err = pcall(twice.get, twice)
      local _, also = pcall(twice.signal, twice, "x")
      local failing = ctx:start_child_workflow("Failing")
      local _, failed = pcall(failing.get, failing)
      local _, typo = pcall(ctx.start_child_workflow, ctx, "Child", nil, { parent_close_polcy = "abandon" })
      return { early, started, child:get(), err.kind, also.kind, failed.kind, failed.type, tostring(typo) }
    end,
    Fan = function(ctx, count)
      local children = {}
      for i = 1, count do children[i] = ctx:start_child_workflow("Failing") end
      local failures = 0
      for _, child in ipairs(children) do
        if not pcall(child.get, child) then failures = failures + 1 end
      end
      return failures
    end,
    Again = function(ctx, state)
      local info = ctx:workflow_info()
      if state.left == 0 then return state end
      local options = { memo = { left = state.left }, run_timeout = 60, task_timeout = 9 }
      state.left = state.left - 1
      local caught
      if state.where == "pcall" then
        caught = pcall(function() pcall(ctx.continue_as_new, ctx, state, options) end)
      elseif state.where == "spawn" then
        ctx:spawn(function() ctx:sleep(0.01) ctx:continue_as_new(state, options) end)
        ctx:sleep(600)
      elseif state.where == "coroutine" then
        coroutine.wrap(function() ctx:continue_as_new(state, options) end)()
      elseif state.where == "deadline" then
        ctx:with_timeout(60, function() ctx:shield(function() ctx:continue_as_new(state, options) end) end)
      elseif state.where == "signal" then
        ctx:on_signal("go", function() ctx:continue_as_new(state, options) end)
        ctx:sleep(600)
      elseif state.where == "other" then
        ctx:continue_as_new(nil, { workflow_type = "Several", args = { 1, "b" } })
      end
      return { "it came back", caught }
    end,
    Several = function(ctx, ...) return { ... } end,
    Rounds = function(ctx, n)
      local results = {}
      for i = 1, 3 do results[i] = ctx:start_activity("several", n) end
      ctx:await_all(results)
      if n < 3 then ctx:continue_as_new(n + 1) end
      return n
    end,
    Wrong = function(ctx)
      local _, err = pcall(ctx.continue_as_new, ctx, 1, { run_timeout = -1 })
      return tostring(err)
    end,
  },
})
print("polling")
