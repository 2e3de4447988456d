local function describe(...)
  local info = activity.info()
  return { info.activity_type, info.is_local, select("#", ...), ... }
end

temporal.worker({
  task_queue = arg[1] or "replay",
  activities = { known = function(input) return "known " .. input end },
  dynamic_activity = { run = function(...)
    if activity.info().activity_type == "fails" then error("SOLD_OUT: nothing left") end
    return describe(...)
  end, max_concurrent = 2 },
  workflows = { Known = function(ctx, input) return "known " .. input end },
  dynamic_workflow = function(ctx, ...)
    local step = ctx:workflow_info().workflow_type
    if step == "Child" then
      local known = ctx:execute_child_workflow("Known", ctx:execute_child_workflow("Other", ...))
      return known
    elseif step == "Hole" then
      return select(2, pcall(ctx.execute_activity, ctx, "any", nil, { args = { 1, nil, "three" } }))
    elseif step == "Fails" then
      ctx:execute_activity("fails", nil, { retry_policy = { maximum_attempts = 1 } })
    end
    return step .. " " .. json.encode({
      ctx:execute_activity("known", "one"), ctx:execute_activity("any", nil, { args = { 1, json.null, "two" } }),
      ctx:execute_local_activity("here", { deep = true }), ctx:side_effect(function() return 5 end),
      { ... },
    })
  end,
})
print("polling")
