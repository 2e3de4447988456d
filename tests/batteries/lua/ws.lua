-- A WebSocket server and its client in one script.
local check = require("check")

local rooms = {}
async.spawn(http.serve, 0, {
  GET = {
    ["/room"] = function()
      return {
        ws = function(conn)
          rooms[conn] = true
          for message, kind in
            function()
              return conn:recv()
            end
          do
            for member in pairs(rooms) do
              member:send(message, { binary = kind == "binary" })
            end
          end
          rooms[conn] = nil
        end,
      }
    end,
  },
})
while not _SERVER_PORT do
  sleep(0.01)
end
local url = "ws://127.0.0.1:" .. _SERVER_PORT .. "/room"

local one, two = ws.connect(url), ws.connect(url)
one:send("hello")
assert.eq({ one:recv() }, { "hello", "text" })
assert.eq({ ws.recv(two) }, { "hello", "text" })
ws.send(two, "\0\255", { binary = true })
assert.eq({ one:recv() }, { "\0\255", "binary" })
assert.eq({ two:recv() }, { "\0\255", "binary" })

assert.eq(
  check.raises("ws.recv failed: no message within 0.01 s", function()
    one:recv({ timeout = 0.01 })
  end).kind,
  "timeout"
)
one:close()
two:send("anybody?")
assert.eq({ two:recv() }, { "anybody?", "text" })
assert.eq({ one:recv() }, { nil, 1000, "" })
ws.close(two, 3000, "done")
check.raises("ws.send failed: the connection is closed", function()
  two:send("x")
end)
