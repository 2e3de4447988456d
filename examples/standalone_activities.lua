-- Activities without a workflow: the server stores each job, retries it and keeps its result. The id prevents a job from
-- being done twice.

local seen = {}
local worker = temporal.worker({
  task_queue = "standalone-activities",
  activities = {
    resize = function(image)
      seen[image.name] = (seen[image.name] or 0) + 1
      if image.is_slow and seen[image.name] < 3 then
        error("BUSY: not yet")
      end
      return image.name .. " at " .. image.width
    end,
  },
})

local client = temporal.connect()
local function resize(image)
  return client:start_activity({
    task_queue = "standalone-activities",
    activity_type = "resize",
    activity_id = "resize-" .. image.name,
    input = image,
    start_to_close_timeout = 30,
    retry_policy = { initial_interval = 0.1, maximum_attempts = 5, non_retryable_errors = { "BROKEN" } },
    id_conflict_policy = "use_existing",
    summary = "for the gallery",
  })
end

local jobs = {}
for i, image in ipairs({ { name = "cat", width = 80 }, { name = "dog", width = 120, is_slow = true } }) do
  jobs[i] = resize(image)
end
for _, job in ipairs(jobs) do
  local result = client:get_activity_result(job)
  print(result, client:describe_activity(job).attempt .. " attempts")
end
worker:shutdown()
