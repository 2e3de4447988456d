local MONTH = 30 * 86400

test("a mail is sent every month until the signal", function()
  local env = test.workflow_env({
    script = "sleep_for_days.lua",
    activities = {
      send_mail = function() end,
    },
  })
  env:signal_at(2.5 * MONTH, "enough")
  assert.eq(env:execute({ workflow_type = "Remind", input = MONTH }), 3)
  local mails = env:calls("send_mail")
  assert.eq(mails[3].input, "month 3")
  assert.eq(mails[3].at // 86400, 60) -- three months take milliseconds in a test
end)
