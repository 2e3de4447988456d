-- Six workflows that work in the usual order of events and break in another. `fixed.lua` has the corrected versions.
--
--   assay test --explore 200 examples/races/faulty.explore.lua

return temporal.worker({
  task_queue = "races",

  workflows = {
    -- Signals that arrive while the last activity runs are lost when the run continues as new.
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
      ctx:continue_as_new({ stored = stored })
    end,

    -- `pcall` also catches the cancellation, so a cancelled deployment continues with the default plan.
    DeployAfterCancel = function(ctx, input)
      local ok, plan = pcall(function()
        return ctx:execute_activity("plan", input)
      end)
      if not ok then
        plan = { steps = "the usual ones" }
      end
      ctx:execute_activity("deploy", plan)
      return "deployed"
    end,

    -- A booking whose answer was lost is not cancelled, although it took effect.
    MissingCompensation = function(ctx, input)
      local once = { start_to_close_timeout = 30, retry_policy = { maximum_attempts = 1 } }
      local undo = {}
      local ok = pcall(function()
        ctx:execute_activity("book_hotel", input, once)
        undo[#undo + 1] = "cancel_hotel"
        ctx:execute_activity("book_flight", input, once)
        undo[#undo + 1] = "cancel_flight"
      end)
      if ok then
        return "booked"
      end
      for i = #undo, 1, -1 do
        ctx:execute_activity(undo[i], input)
      end
      return "cancelled"
    end,

    -- Two withdrawals see the same balance, because each one is subtracted only after it was paid out.
    RacingUpdates = function(ctx)
      local balance = 100
      ctx:register_query("balance", function()
        return balance
      end)
      ctx:register_update("withdraw", function(amount)
        if amount > balance then
          error("INSUFFICIENT: there are only " .. balance)
        end
        ctx:execute_activity("pay_out", amount)
        balance = balance - amount
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

    -- If the second quote does not arrive in time, the first one is used again.
    StaleValue = function(ctx)
      local quote
      for round = 1, 2 do
        local ok, fresh = pcall(function()
          return ctx:execute_activity("quote", round, {
            start_to_close_timeout = 5,
            retry_policy = { maximum_attempts = 1 },
          })
        end)
        if ok then
          quote = fresh
        end
        if quote then
          ctx:execute_activity("order", { round = round, quote = quote })
        end
      end
    end,

    -- A note that arrives shortly before the end is accepted but never saved.
    CutOffHandler = function(ctx)
      ctx:on_signal("note", function(note)
        ctx:execute_activity("save", note)
      end)
      ctx:wait_signal("finish")
      return "done"
    end,
  },
})
