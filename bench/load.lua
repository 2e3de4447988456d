-- The worker of load.py: workflows of several kinds, with known results.
local queue, url, folder = arg[1] or "replay", arg[2] or "", arg[3] or "."

local quick_retry = { initial_interval = 0.1, backoff_coefficient = 1 }

local activities = {
  add = function(input)
    return input.value + input.more
  end,

  flaky = function(value)
    if activity.info().attempt == 1 then
      error("FLAKY: the first attempt always fails")
    end
    return value
  end,

  broken = function()
    error({ type = "BROKEN", message = "it never works", non_retryable = true })
  end,

  call = function(value)
    local response = http.post(url, json.encode({ value = value }))
    return json.parse(response.body).value
  end,

  -- Uses everything that needs file descriptors: files, a database, a child process.
  disk = function(input)
    local path = folder .. "/" .. input.id
    fs.write(path, tostring(input.value))
    local database = db.connect("sqlite://" .. path .. ".db")
    database:execute("create table if not exists kept (value integer)")
    database:execute("insert into kept values (?)", { input.value })
    local kept = database:query("select value from kept")[1].value
    database:close()
    local shown = shell.exec("cat '" .. path .. "'").stdout
    fs.remove(path)
    fs.remove(path .. ".db")
    return kept + tonumber(shown)
  end,

  linger = {
    auto_heartbeat = true,
    run = function()
      sleep(600)
    end,
  },

  echo = function(input)
    return input
  end,
}

local function add(ctx, value, more)
  return ctx:execute_activity("add", { value = value, more = more }, { start_to_close_timeout = 20 })
end

local workflows = {}

function workflows.Steps(ctx, n)
  for i = 1, 3 do
    n = add(ctx, n, i)
    ctx:sleep(0.05)
  end
  n = n + ctx:side_effect(function()
    return 1
  end)
  return ctx:execute_local_activity("add", { value = n, more = 1 })
end

function workflows.Fan(ctx, n)
  local futures = {}
  for i = 1, 5 do
    futures[i] = ctx:start_activity("add", { value = n, more = i }, { start_to_close_timeout = 20 })
  end
  futures[6] = ctx:spawn(function()
    ctx:sleep(0.1)
    return n
  end)
  local sum = 0
  for _, value in ipairs(ctx:await_all(futures)) do
    sum = sum + value
  end
  return sum
end

function workflows.Talk(ctx, n)
  local signals, total = 0, 0
  ctx:on_signal("tick", function()
    signals = signals + 1
  end)
  ctx:register_query("total", function()
    return total
  end)
  ctx:register_update("add", function(value)
    local answered = ctx:execute_activity("call", value, { start_to_close_timeout = 20 })
    total = total + answered
    return total
  end)
  ctx:wait_condition(function()
    return signals >= 1 and total >= 3 and ctx:all_handlers_finished()
  end)
  return n + total
end

function workflows.Batch(ctx, input)
  local sum = input.sum + ctx:execute_child_workflow("Steps", input.n)
  if input.left > 1 then
    ctx:continue_as_new({ n = input.n, left = input.left - 1, sum = sum })
  end
  return sum
end

function workflows.Flaky(ctx, n)
  local value = ctx:execute_activity("flaky", n, { start_to_close_timeout = 20, retry_policy = quick_retry })
  local worked, problem = pcall(ctx.execute_activity, ctx, "broken", nil, { start_to_close_timeout = 20 })
  assert(not worked and problem.type == "BROKEN")
  return value
end

function workflows.Disk(ctx, n)
  local input = { id = ctx:workflow_info().workflow_id, value = n }
  return ctx:execute_activity("disk", input, { start_to_close_timeout = 60 })
end

function workflows.Large(ctx, n)
  local rows = {}
  for i = 1, 1000 do
    rows[i] = { id = i, name = "item " .. i, tags = { "a", "b" }, price = n / 4 }
  end
  return #ctx:execute_activity("echo", rows, { start_to_close_timeout = 20 })
end

function workflows.Endless(ctx)
  ctx:execute_activity("linger", nil, {
    start_to_close_timeout = 600,
    heartbeat_timeout = 10,
    cancellation_type = "try_cancel",
  })
end

function workflows.Wait(ctx, seconds)
  ctx:sleep(seconds)
  return add(ctx, seconds, 1)
end

temporal.worker({
  task_queue = queue,
  max_cached_workflows = 60, -- fewer than are open: runs leave the cache and are replayed
  sticky_queue_schedule_to_start_timeout = 2,
  graceful_shutdown_timeout = 10,
  activities = activities,
  workflows = workflows,
})
