test("each item is processed once, over several runs", function()
  local env = test.workflow_env({
    script = "sliding_window.lua",
    activities = {
      work_on = function(item)
        return item
      end,
    },
  })
  local run = env:start({ workflow_type = "Batch", input = { next = 1, count = 20, sum = 0, runs = 1 } })
  local last = temporal.connect():get_result({ workflow_id = run:id() })
  assert.eq(last.sum, 210)
  assert.eq(last.runs, 3)
  assert.eq(#env:calls("work_on"), 20)
end)
