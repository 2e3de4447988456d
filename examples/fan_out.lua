-- Fan-out: a workflow starts one child workflow per part of its work, all at once, and adds up the results. It reports
-- children that fail and keeps the results of the others.

local function count(ctx, text)
  return ctx:execute_activity("count_words", text)
end

local function total(ctx, texts)
  local children, words, failures = {}, 0, {}
  for i, text in ipairs(texts) do
    children[i] = ctx:start_child_workflow("Count", text)
  end
  for i, child in ipairs(children) do
    local ok, result = pcall(child.get, child)
    if ok then
      words = words + result
    else
      table.insert(failures, "text " .. i .. ": " .. result.cause.cause.message)
    end
  end
  return { words = words, failures = failures }
end

local worker = temporal.worker({
  task_queue = "fan-out",
  workflows = { Total = total, Count = count },
  activities = {
    count_words = function(text)
      if text == "" then
        error({ type = "EMPTY", message = "nothing to count", non_retryable = true })
      end
      return select(2, text:gsub("%S+", ""))
    end,
  },
})

local client = temporal.connect()
local run = client:start_workflow({
  task_queue = "fan-out",
  workflow_type = "Total",
  input = { "one two three", "", "four", "five six" },
})
print(json.encode(client:get_result({ workflow_id = run.workflow_id })))
worker:shutdown()
