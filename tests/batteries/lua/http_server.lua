-- A server and its client in one script, on one event loop.
local together = 0
local routes = {
  GET = {
    ["/hello"] = function(req)
      return { body = "hello " .. (req.params.name or "nobody") }
    end,
    ["/files/*"] = function(req)
      return { body = "file " .. req.path }
    end,
    ["/*"] = function(req)
      return { status = 404, json = { missing = req.path } }
    end,
    ["/together"] = function()
      together = together + 1
      while together < 20 do
        sleep(0.01)
      end
      return { body = "together" }
    end,
    ["/slow"] = function()
      sleep(0.2)
      return { body = "slow" }
    end,
    ["/cookies"] = function()
      return { headers = { ["Set-Cookie"] = { "a=1", "b=2" } } }
    end,
    ["/count"] = function()
      return {
        sse = function(send)
          for i = 1, 3 do
            send({ event = "count", data = tostring(i), id = i })
            sleep(0)
          end
        end,
      }
    end,
  },
  POST = {
    ["/echo"] = function(req)
      return { status = 201, body = req.body, headers = { ["content-type"] = req.headers["content-type"] } }
    end,
  },
}

local server = async.spawn(http.serve, 0, routes)
while not _SERVER_PORT do
  sleep(0.01)
end
local url = "http://127.0.0.1:" .. _SERVER_PORT

local function expect(found, wanted)
  if found ~= wanted then
    error(("expected %s, found %s"):format(wanted, found), 2)
  end
end

expect(http.get(url .. "/hello").body, "hello nobody")
expect(http.get(url .. "/hello", { query = { name = "a b&c" } }).body, "hello a b&c")
expect(http.get(url .. "/files/a/b").body, "file /files/a/b")

local missing = http.get(url .. "/elsewhere")
expect(missing.status, 404)
expect(json.parse(missing.body).missing, "/elsewhere")

local echoed = http.post(url .. "/echo", { list = json.array(), n = 1, x = 1.0 })
expect(echoed.status, 201)
expect(echoed.body, '{"list":[],"n":1,"x":1.0}')
expect(echoed.headers["content-type"], "application/json")
expect(http.post(url .. "/echo", "\0\255").body, "\0\255")
expect(http.delete(url .. "/echo").status, 405)

local cookies = http.get(url .. "/cookies").headers["set-cookie"]
expect(#cookies, 2)
expect(cookies[2], "b=2")

local events = http.get(url .. "/count").body
expect(events:gsub("\n", "|"), "event: count|id: 1|data: 1||event: count|id: 2|data: 2||event: count|id: 3|data: 3||")

-- Slow requests overlap: none is answered before all have arrived.
local waiting = {}
for i = 1, 20 do
  waiting[i] = async.spawn(http.get, url .. "/together")
end
for i = 1, 20 do
  expect(waiting[i]:await()[1].body, "together")
end

-- A cancelled server stops listening.
server:cancel()
pcall(server.await, server)
local ok, problem = pcall(http.get, url .. "/hello")
expect(ok, false)
expect(problem.kind, "connect")

-- Waiting works inside coroutines and protected calls.
local again = async.spawn(http.serve, _SERVER_PORT, routes)
local co = coroutine.wrap(function()
  local response
  repeat
    local answered
    answered, response = pcall(http.get, url .. "/hello")
  until answered
  coroutine.yield(response.body)
  return http.client({ timeout = 5 }):get(url .. "/slow").body
end)
expect(co(), "hello nobody")
expect(co(), "slow")
again:cancel()
