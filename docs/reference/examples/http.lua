--- setup
local url
async.spawn(http.serve, 0, {
  GET = {
    ["/items/:id"] = function(req)
      return { json = { id = req.path_params.id } }
    end,
  },
  DELETE = {
    ["/items/:id"] = function()
      return { status = 204 }
    end,
  },
  POST = {
    ["/items"] = function(req)
      return { status = 201, json = json.parse(req.body) }
    end,
  },
  PUT = {
    ["/items/:id"] = function(req)
      return { body = req.body }
    end,
  },
  PATCH = {
    ["/items/:id"] = function(req)
      return { body = req.body }
    end,
  },
}, {
  on_listen = function(port)
    url = "http://127.0.0.1:" .. port
  end,
})
while not url do
  sleep(0.01)
end

--- http.get
local response = http.get(url .. "/items/7", { headers = { Accept = "application/json" }, timeout = 5 })
assert.eq(response.status, 200)
assert.eq(json.parse(response.body), { id = "7" })

--- http.post
local response = http.post(url .. "/items", { name = "milk" }) -- a table is sent as JSON
assert.eq(response.status, 201)

--- http.put
local response = http.put(url .. "/items/7", "plain text") -- a string is sent unchanged
assert.eq(response.body, "plain text")

--- http.patch
assert.eq(http.patch(url .. "/items/7", { name = "oat milk" }).status, 200)

--- http.delete
assert.eq(http.delete(url .. "/items/7").status, 204)

--- http.request
assert.eq(http.request("GET", url .. "/items/7").status, 200)

--- http.client client:get client:post client:put client:patch client:delete client:request
local client = http.client({ headers = { Authorization = "Bearer token" }, timeout = 10 }) -- for all requests
assert.eq(client:get(url .. "/items/7").status, 200)
assert.eq(client:post(url .. "/items", { name = "milk" }).status, 201)
assert.eq(client:put(url .. "/items/7", "text").status, 200)
assert.eq(client:patch(url .. "/items/7", "text").status, 200)
assert.eq(client:delete(url .. "/items/7").status, 204)
assert.eq(client:request("GET", url .. "/items/8").status, 200)

--- http.serve
local address
local server = async.spawn(http.serve, 0, { -- port 0 picks a free port
  GET = {
    ["/hello/:name"] = function(req)
      return { body = "Hello, " .. req.path_params.name }
    end,
  },
}, {
  on_listen = function(port)
    address = "http://127.0.0.1:" .. port
  end,
})
while not address do
  sleep(0.01)
end
assert.eq(http.get(address .. "/hello/Ada").body, "Hello, Ada")
server.cancel()

--- send
local address
local server = async.spawn(http.serve, 0, {
  GET = {
    ["/events"] = function()
      return {
        sse = function(send)
          send({ event = "tick", data = "1" })
          send({ event = "tick", data = "2" })
        end,
      }
    end,
  },
}, {
  on_listen = function(port)
    address = "http://127.0.0.1:" .. port
  end,
})
while not address do
  sleep(0.01)
end
assert.contains(http.get(address .. "/events").body, "event: tick\ndata: 2")
server.cancel()
