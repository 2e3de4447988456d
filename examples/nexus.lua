-- A Nexus service, and a workflow that calls it, possibly from another namespace. One operation is a function that answers
-- at once, the other a workflow that answers after an approval. Create the endpoint once:
--   temporal operator nexus endpoint create --name greetings --target-namespace default --target-task-queue greetings

local function approval(ctx, input)
  return "approved by " .. ctx:wait_signal("approve") .. (input.note or "")
end

local function visit(ctx, name)
  local function call(operation, input)
    return ctx:execute_nexus_operation({
      endpoint = "greetings",
      service = "greetings",
      operation = operation,
      input = input,
      schedule_to_close_timeout = 60,
    })
  end
  local results = { call("hello", name), call("approve", { id = "visit-of-" .. name }) }
  local ok, err = pcall(call, "hello", string.rep("x", 21))
  results[3] = ok or table.concat({ err.kind, err.type, err.cause.cause.message }, "\t")
  return results
end

local worker = temporal.worker({
  task_queue = "greetings",
  nexus_services = {
    greetings = {
      hello = function(name)
        if #name > 20 then
          error({ type = "TOO_LONG", message = "a name of at most 20 letters, please", non_retryable = true })
        end
        return "Hello, " .. name .. "!"
      end,
      approve = {
        workflow_type = "Approval",
        workflow_id = function(input)
          return input.id
        end,
      },
    },
  },
  workflows = { Approval = approval, Visit = visit },
})

local client = temporal.connect()
local run = client:start_workflow({ task_queue = "greetings", workflow_type = "Visit", input = "Ann" })
local signal = { workflow_id = "visit-of-Ann", signal_name = "approve", input = "jane" }
while not pcall(client.signal_workflow, client, signal) do
  sleep(0.05)
end
for _, line in ipairs(client:get_result({ workflow_id = run.workflow_id })) do
  print(line)
end
worker:shutdown()
