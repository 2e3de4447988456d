-- The workflows of `faulty.lua`, corrected.
--
--   assay test --explore 5000 examples/races

local function has_room(balance, amount)
  if amount > balance then
    error("INSUFFICIENT: there are only " .. balance)
  end
end

return temporal.worker({
  task_queue = "races",

  workflows = {
    -- Signals that have arrived are stored before the run continues as new.
    LostSignal = function(ctx, input)
      local stored = input and input.stored or 0
      for _ = 1, 2 do
        local item = ctx:wait_signal("item", { timeout = 60 })
        if not item then
          return stored
        end
        ctx:execute_activity("store", item)
        stored = stored + 1
      end
      local more, item = ctx:poll_signal("item")
      while more do
        ctx:execute_activity("store", item)
        stored = stored + 1
        more, item = ctx:poll_signal("item")
      end
      ctx:continue_as_new({ stored = stored })
    end,

    -- A cancellation must not lead to the default plan.
    DeployAfterCancel = function(ctx, input)
      local ok, plan = pcall(function()
        return ctx:execute_activity("plan", input)
      end)
      if not ok then
        if ctx:is_cancelled() then
          error(plan, 0)
        end
        plan = { steps = "the usual ones" }
      end
      ctx:execute_activity("deploy", plan)
      return "deployed"
    end,

    -- The compensation is recorded before the booking is tried.
    MissingCompensation = function(ctx, input)
      local once = { start_to_close_timeout = 30, retry_policy = { maximum_attempts = 1 } }
      local undo = {}
      local ok = pcall(function()
        undo[#undo + 1] = "cancel_hotel"
        ctx:execute_activity("book_hotel", input, once)
        undo[#undo + 1] = "cancel_flight"
        ctx:execute_activity("book_flight", input, once)
      end)
      if ok then
        return "booked"
      end
      for i = #undo, 1, -1 do
        ctx:execute_activity(undo[i], input)
      end
      return "cancelled"
    end,

    -- The amount is subtracted from the balance before the first wait.
    RacingUpdates = function(ctx)
      local balance = 100
      ctx:register_query("balance", function()
        return balance
      end)
      ctx:register_update("withdraw", function(amount)
        has_room(balance, amount)
        balance = balance - amount
        ctx:execute_activity("pay_out", amount)
        return balance
      end)
      local is_closing = false
      ctx:on_signal("close", function()
        is_closing = true
      end)
      ctx:wait_condition(function()
        return is_closing and ctx:all_handlers_finished()
      end)
      return balance
    end,

    -- A round without a quote places no order.
    StaleValue = function(ctx)
      for round = 1, 2 do
        local ok, quote = pcall(function()
          return ctx:execute_activity("quote", round, {
            start_to_close_timeout = 5,
            retry_policy = { maximum_attempts = 1 },
          })
        end)
        if ok then
          ctx:execute_activity("order", { round = round, quote = quote })
        end
      end
    end,

    -- The workflow waits for its handlers before it returns.
    CutOffHandler = function(ctx)
      ctx:on_signal("note", function(note)
        ctx:execute_activity("save", note)
      end)
      ctx:wait_signal("finish")
      ctx:wait_condition(function()
        return ctx:all_handlers_finished()
      end)
      return "done"
    end,
  },
})
