test("all mail is written, also what arrived before the cancellation", function()
  local written = {}
  local env = test.workflow_env({
    script = "inbox.lua",
    activities = {
      write = function(batch)
        table.move(batch, 1, #batch, #written + 1, written)
        return #batch
      end,
    },
  })
  local run = env:start({ workflow_type = "Inbox" })
  for i = 1, 3 do
    run:signal("mail", "mail " .. i)
  end
  env:sleep(60)
  temporal.connect():cancel_workflow({ workflow_id = run:id(), reason = "enough" })
  assert.eq(run:result(), 4)
  assert.eq(written, { "mail 1", "mail 2", "mail 3", "closed: enough" })
end)
