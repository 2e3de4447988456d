#!/usr/bin/env assay
-- Check the services of a list concurrently, and report which are healthy.
--
--   assay run examples/health_checker.lua services.yaml
--
-- The list: services: [{ name: api, url: http://127.0.0.1:8080/health, status: 200, contains: ok, timeout: 5 }]
-- The exit code is the number of unhealthy services.

local path = arg[1]
if not path then
  log.error("usage: assay run health_checker.lua SERVICES.yaml")
  os.exit(64)
end

local function check(service)
  local began = time()
  local ok, answer = pcall(http.get, service.url, { timeout = service.timeout or 5 })
  local problem
  if not ok then
    problem = tostring(answer)
  elseif answer.status ~= (service.status or 200) then
    problem = "status " .. answer.status
  elseif service.contains and not answer.body:find(service.contains, 1, true) then
    problem = "the response does not contain '" .. service.contains .. "'"
  end
  return { name = service.name, problem = problem, ms = (time() - began) * 1000 }
end

local tasks = {}
for i, service in ipairs(yaml.parse(fs.read(path)).services) do
  tasks[i] = async.spawn(check, service)
end

local unhealthy = 0
for _, results in ipairs(async.all(tasks)) do
  local report = results[1]
  if report.problem then
    unhealthy = unhealthy + 1
    print(("%-20s DOWN  %s"):format(report.name, report.problem))
  else
    print(("%-20s ok    %.0f ms"):format(report.name, report.ms))
  end
end
os.exit(unhealthy)
