--- setup
local url
async.spawn(http.serve, 0, {
  GET = {
    ["/echo"] = function()
      return {
        ws = function(conn)
          local message = conn:recv()
          while message do
            conn:send(message)
            message = conn:recv()
          end
        end,
      }
    end,
  },
}, {
  on_listen = function(port)
    url = "ws://127.0.0.1:" .. port .. "/echo"
  end,
})
while not url do
  sleep(0.01)
end

--- ws.connect ws.send ws.recv ws.ping ws.close
local conn = ws.connect(url)
ws.send(conn, "hello")
assert.eq(ws.recv(conn), "hello")
ws.ping(conn)
ws.close(conn)

--- conn:send conn:recv conn:ping conn:close
local conn = ws.connect(url, { timeout = 5 })
conn:send("hello")
assert.eq(conn:recv({ timeout = 5 }), "hello")
conn:ping()
conn:close(1000, "done")
