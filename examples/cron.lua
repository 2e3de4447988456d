#!/usr/bin/env assay
-- A periodic job: delete old files from a folder, and warn when its disk fills up.
--
--   assay run examples/cron.lua /var/tmp/cache            every minute, files older than a day
--   EVERY_MS=5000 MAX_AGE=3600 MAX_PERCENT=80 assay run examples/cron.lua /var/tmp/cache
--
-- A failed run is logged, and the next one starts on time. RUNS=3 ends the script after three runs.

local function setting(name, default)
  local text = env.get(name)
  return text and (tonumber(text) or error(name .. " must be a number, not '" .. text .. "'", 0)) or default
end

local folder = arg[1] or error("usage: assay run cron.lua FOLDER", 0)
local every_ms = setting("EVERY_MS", 60000)
local max_age = setting("MAX_AGE", 86400)
local max_percent = setting("MAX_PERCENT", 90)
local runs_left = setting("RUNS", math.huge)

local job
local function run()
  if runs_left <= 0 then
    return job.cancel()
  end
  runs_left = runs_left - 1
  local removed = disk.sweep(folder, max_age)
  local usage = disk.usage(folder)
  log.info("swept", { folder = folder, removed = removed, left = disk.dir_size(folder) })
  if usage.percent > max_percent then
    log.warn("the disk is almost full", { folder = folder, percent = math.floor(usage.percent) })
  end
end

job = async.spawn_interval(run, every_ms)
job.await()
