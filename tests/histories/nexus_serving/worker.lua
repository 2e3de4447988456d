local queue = arg[1] or "replay"
local attempts = 0
temporal.worker({
  task_queue = queue,
  nexus_services = {
    orders = {
      echo = function(input, request)
        sleep(0.01)
        return { input = input, service = request.service, operation = request.operation, who = request.headers.who,
          has_id = #request.request_id > 0 }
      end,
      nothing = function() end,
      busy = function()
        attempts = attempts + 1
        if attempts == 1 then error("BUSY: try again") end
        return attempts
      end,
      refuse = function()
        error({ type = "SOLD_OUT", message = "no more", details = { left = 0 }, non_retryable = true })
      end,
      place = { workflow_type = "Place", workflow_id = function(input) return queue .. "-order-" .. input.id end },
      lost = { workflow_type = "Place", workflow_id = function() return 5 end },
    },
    ["a.b"] = { ["x-y"] = function(input) return input + 1 end },
  },
  workflows = {
    Place = function(ctx, order)
      if order.wait then ctx:wait_signal("go") end
      if order.bad then error({ type = "BAD_ORDER", message = "no", details = order.id }) end
      return { placed = order.id }
    end,
    Calls = function(ctx, endpoint)
      local function call(operation, input, service, headers)
        return ctx:execute_nexus_operation({ endpoint = endpoint, service = service or "orders", operation = operation,
          input = input, headers = headers, schedule_to_close_timeout = 60 })
      end
      local function failure(...)
        local ok, err = pcall(call, ...)
        return { err.kind, err.type, err.details or "none", err.message:match("[^:]*$") }
      end
      return {
        call("echo", { 1.0, json.empty_array }, nil, { who = "me" }), call("nothing") == nil, call("busy"),
        call("x-y", 41, "a.b"), call("place", { id = "7" }),
        failure("refuse"), failure("place", { id = "8", bad = true }), failure("lost", {}),
      }
    end,
    Cancels = function(ctx, endpoint)
      local future = ctx:start_nexus_operation({ endpoint = endpoint, service = "orders", operation = "place",
        input = { id = "9", wait = true } })
      ctx:wait_signal("cancel")
      future:cancel()
      return select(2, pcall(future.get, future)).kind
    end,
  },
})
print("polling")
