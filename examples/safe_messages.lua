-- Safe message handlers: a validator rejects invalid updates before they reach the history, a lock serializes the
-- handlers, and the workflow waits for them before it returns.

local function cluster(ctx)
  local nodes, busy, closed = {}, false, false

  local function locked(fn)
    ctx:wait_condition(function()
      return not busy
    end)
    busy = true
    local ok, result = pcall(fn)
    busy = false
    return ok and result or error(result, 0)
  end

  ctx:register_update("assign", function(job)
    return locked(function()
      local node = ctx:execute_activity("find_node", nodes)
      nodes[node] = job.name
      return node
    end)
  end, {
    validator = function(job)
      if type(job) ~= "table" or not job.name then
        error({ type = "BAD_JOB", message = "a job has a name" })
      end
      for _, name in pairs(nodes) do
        if name == job.name then
          error({ type = "BAD_JOB", message = name .. " is running" })
        end
      end
    end,
  })
  ctx:register_update("close", function()
    closed = true
  end)

  ctx:wait_condition(function()
    return closed and ctx:all_handlers_finished()
  end)
  return nodes
end

local worker = temporal.worker({
  task_queue = "safe-messages",
  workflows = { Cluster = cluster },
  activities = {
    find_node = function(nodes)
      sleep(0.1) -- long enough to meet another update
      local i = 1
      while nodes["node " .. i] do
        i = i + 1
      end
      return "node " .. i
    end,
  },
})

local client = temporal.connect()
local run = client:start_workflow({ task_queue = "safe-messages", workflow_type = "Cluster" })
local function update(name, input)
  return client:update_workflow({ workflow_id = run.workflow_id, update_name = name, input = input })
end

local tasks = {}
for i, name in ipairs({ "one", "two", "three" }) do
  tasks[i] = async.spawn(update, "assign", { name = name })
end
async.all(tasks)
print(select(2, pcall(update, "assign", { name = "two" })))
update("close")
local jobs = {}
for _, job in pairs(client:get_result({ workflow_id = run.workflow_id })) do
  table.insert(jobs, job)
end
table.sort(jobs)
print(table.concat(jobs, ", "))
worker:shutdown()
