test("updates are validated, and the workflow waits for its handlers", function()
  local env = test.workflow_env({
    script = "safe_messages.lua",
    activities = {
      find_node = function(nodes)
        return nodes["node 1"] and "node 2" or "node 1"
      end,
    },
  })
  local run = env:start({ workflow_type = "Cluster" })
  local client = temporal.connect()
  local function update(name, input)
    return client:update_workflow({ workflow_id = run:id(), update_name = name, input = input })
  end
  assert.eq(update("assign", { name = "one" }), "node 1")
  local ok, refused = pcall(update, "assign", { name = "one" })
  assert.eq(ok, false)
  assert.eq(refused.type, "BAD_JOB")
  assert.eq(update("assign", { name = "two" }), "node 2")
  update("close")
  assert.eq(run:result(), { ["node 1"] = "one", ["node 2"] = "two" })
end)
