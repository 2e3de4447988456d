-- Starts 1,000 workflows, each in a separate task, 100 at a time; official_client.py does the same.
local queue = arg[1]
local client = temporal.connect()

local function start(number)
  client:start_workflow({
    task_queue = queue,
    workflow_type = "Nobody",
    workflow_id = queue .. "-" .. number,
    input = { number = number, item = "widget", count = 3 },
  })
end

for batch = 0, 9 do
  local tasks = {}
  for i = 1, 100 do
    tasks[i] = async.spawn(start, batch * 100 + i)
  end
  async.all(tasks)
end
