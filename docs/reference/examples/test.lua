--- test
test("prices add up", function()
  assert.eq(1 + 2, 3)
end)

--- test.workflow_env env:execute env:calls
test("the order is charged", function()
  local env = test.workflow_env({
    workflows = {
      Order = function(ctx, order)
        return ctx:execute_activity("charge", order.amount)
      end,
    },
    activities = {
      charge = function(amount)
        return "receipt of " .. amount
      end,
    },
  })
  assert.eq(env:execute({ workflow_type = "Order", input = { amount = 5 } }), "receipt of 5")
  assert.eq(env:calls("charge")[1].input, 5)
end)

--- env:start env:sleep run:id run:signal run:query run:result
test("a cart is closed after a day", function()
  local env = test.workflow_env({
    workflows = {
      Cart = function(ctx)
        local items = {}
        ctx:register_query("count", function()
          return #items
        end)
        ctx:on_signal("add", function(item)
          items[#items + 1] = item
        end)
        ctx:sleep(86400)
        return items
      end,
    },
  })
  local run = env:start({ workflow_type = "Cart" })
  run:signal("add", "milk")
  env:sleep(3600)
  assert.eq(run:query("count"), 1)
  assert.eq(run:result(), { "milk" })
  assert.gt(#run:id(), 0)
end)

--- env:signal_at
test("an approval after an hour", function()
  local env = test.workflow_env({
    workflows = {
      Approval = function(ctx)
        return ctx:wait_signal("approve", { timeout = 86400 })
      end,
    },
  })
  env:signal_at(3600, "approve", "jane")
  assert.eq(env:execute({ workflow_type = "Approval" }), "jane")
end)

--- env:update_at run:update
test("updates are answered", function()
  local env = test.workflow_env({
    workflows = {
      Counter = function(ctx)
        local total = 0
        ctx:register_update("add", function(amount)
          total = total + amount
          return total
        end)
        ctx:wait_condition(function()
          return total >= 3
        end)
        return total
      end,
    },
  })
  local run = env:start({ workflow_type = "Counter" })
  assert.eq(run:update("add", 1), 1)
  assert.eq(run:update("add", 2), 3)
  assert.eq(run:result(), 3)
  env:update_at(60, "add", 5)
  assert.eq(env:execute({ workflow_type = "Counter" }), 5)
end)

--- run:cancel
test("a cancellation ends the wait", function()
  local env = test.workflow_env({
    workflows = {
      Approval = function(ctx)
        return ctx:wait_signal("approve")
      end,
    },
  })
  local run = env:start({ workflow_type = "Approval" })
  run:cancel()
  local ok, err = pcall(run.result, run)
  assert.eq(err.kind, "cancelled")
end)

--- test.explore state:query
test.explore("a total never shrinks", {
  workflows = {
    Counter = function(ctx)
      local total = 0
      ctx:register_query("total", function()
        return total
      end)
      ctx:on_signal("add", function(amount)
        total = total + amount
      end)
      ctx:sleep(60)
      return total
    end,
  },
  signals = { { name = "add", input = 1 } },
  allow = { "lost" }, -- a signal may come too late
  always = function(state)
    assert(state:query("total") >= 0)
  end,
  schedules = 20,
}, function(explored)
  assert.eq(explored.status, "completed")
end)
