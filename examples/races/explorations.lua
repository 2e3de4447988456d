-- The explorations of the six workflows, for the faulty and for the corrected versions: events and checks.

local function ran(run, activity)
  for _, call in ipairs(run.calls) do
    -- A call whose answer was lost has run too.
    if call.activity == activity and (call.outcome == "completed" or call.outcome == "lost") then
      return true
    end
  end
  return false
end

return function(test, script)
  test.explore("no signal is lost", {
    script = script,
    workflow_type = "LostSignal",
    activities = { store = function() end },
    signals = { { name = "item", input = "an item", at_most = 4 } },
  }, function(run)
    assert.eq(run.result, #run.signals)
  end)

  test.explore("nothing is deployed after a cancel", {
    script = script,
    workflow_type = "DeployAfterCancel",
    activities = {
      plan = function()
        return { steps = "planned" }
      end,
      deploy = function() end,
    },
    cancel = true,
  }, function(run)
    for _, call in ipairs(run.calls) do
      assert(call.activity ~= "deploy" or not call.after_cancel, "it deploys although it was cancelled")
    end
  end)

  test.explore("a failed trip leaves no bookings", {
    script = script,
    workflow_type = "MissingCompensation",
    activities = {
      book_hotel = { times_out = true },
      book_flight = { times_out = true },
      cancel_hotel = function() end,
      cancel_flight = function() end,
    },
  }, function(run)
    if run.result == "cancelled" then
      for _, what in ipairs({ "hotel", "flight" }) do
        assert(not ran(run, "book_" .. what) or ran(run, "cancel_" .. what), "the " .. what .. " stays booked")
      end
    end
  end)

  test.explore("withdrawals never exceed the balance", {
    script = script,
    workflow_type = "RacingUpdates",
    activities = { pay_out = function() end },
    updates = { { name = "withdraw", input = 80, at_most = 2 } },
    signals = { { name = "close", at_least = 1 } },
    always = function(state)
      assert(state:query("balance") >= 0, "more was withdrawn than there was")
    end,
  }, function(run)
    assert(run.result >= 0, "more was withdrawn than there was")
  end)

  test.explore("each round orders by its own quote", {
    script = script,
    workflow_type = "StaleValue",
    activities = {
      quote = {
        run = function(round)
          return { round = round, price = 100 + round }
        end,
        times_out = true,
      },
      order = function() end,
    },
  }, function(run)
    for _, call in ipairs(run.calls) do
      if call.activity == "order" then
        assert.eq(call.input.quote.round, call.input.round)
      end
    end
  end)

  test.explore("every note is saved", {
    script = script,
    workflow_type = "CutOffHandler",
    activities = { save = function() end },
    signals = { { name = "note", input = "remember", at_most = 2 }, { name = "finish", at_least = 1 } },
  }, function(run)
    assert.eq(run.result, "done")
  end)
end
