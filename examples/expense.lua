-- A human approves an expense over HTTP. The activity does not wait for the answer: it passes its token to the expense
-- system, which completes the activity. Without an answer before the deadline the expense times out.

local expenses, port = {}, nil -- the expense system: a web service that keeps its data in a table
local client = temporal.connect()

local function status(id)
  return { status = expenses[id] and 200 or 404, json = expenses[id] and { state = expenses[id].state } or nil }
end
local routes = {
  GET = {
    ["/expenses/:id"] = function(req)
      return status(req.path_params.id)
    end,
  },
  POST = {
    ["/expenses"] = function(req)
      local expense = json.parse(req.body)
      expenses[expense.id] = { state = "created" }
      return { status = 201, body = "" }
    end,
    ["/expenses/:id"] = function(req) -- a decision, a token or a payment
      local id, change = req.path_params.id, json.parse(req.body)
      local expense = expenses[id]
      expense.token = change.token or expense.token
      expense.state = change.state or expense.state
      if change.state == "approved" or change.state == "rejected" then
        client:complete_activity({ task_token = expense.token, result = change.state })
      end
      return status(id)
    end,
  },
}
async.spawn(http.serve, 0, routes, {
  on_listen = function(listening)
    port = listening
  end,
})

local function post(path, body)
  local response = http.post("http://127.0.0.1:" .. port .. "/expenses" .. path, body)
  assert(response.status < 300, "the expense system answers " .. response.status)
end

local worker = temporal.worker({
  task_queue = "expense",
  activities = {
    create = function(report)
      post("", { id = report.id })
    end,
    ask = function(report)
      post("/" .. report.id, { token = activity.info().task_token })
      activity.complete_async()
    end,
    pay = function(report)
      post("/" .. report.id, { state = "paid" })
    end,
  },
  workflows = {
    Expense = function(ctx, report)
      ctx:execute_activity("create", report)
      local ok, answer =
        pcall(ctx.execute_activity, ctx, "ask", report, { schedule_to_close_timeout = report.deadline })
      if not ok then
        return answer.cause.kind == "timeout" and "timed out" or error(answer)
      end
      if answer == "approved" then
        ctx:execute_activity("pay", report)
      end
      return answer
    end,
  },
})

local function file(id, deadline)
  local report = { id = id, deadline = deadline }
  return client:start_workflow({ task_queue = "expense", workflow_type = "Expense", input = report }).workflow_id
end
local function decide(id, state)
  while not (expenses[id] and expenses[id].token) do
    sleep(0.02) -- a human takes longer
  end
  post("/" .. id, { state = state })
end

local ann, bob, cat = file("ann-1", 3600), file("bob-1", 3600), file("cat-1", 1)
decide("ann-1", "approved")
decide("bob-1", "rejected")
print("ann: " .. client:get_result({ workflow_id = ann }))
print("bob: " .. client:get_result({ workflow_id = bob }))
print("cat: " .. client:get_result({ workflow_id = cat }))
print("ann is " .. expenses["ann-1"].state)
worker:shutdown()
os.exit(0)
