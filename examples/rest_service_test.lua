-- The script serves until it is stopped, so it runs as a task. It prints its port.
local url
local function service()
  if not url then
    local show = print
    print = function(text)
      url = text:match("listening on (%S+)")
    end
    arg = { "0", ":memory:" }
    async.spawn(require, "rest_service")
    while not url do
      sleep(0.01)
    end
    print = show
  end
  return url
end

test("a note can be created and read", function()
  local created = http.post(service() .. "/notes", { title = "Milk", tags = { "shop" } })
  assert.eq(created.status, 201)
  local note = json.parse(http.get(service() .. created.headers.location).body)
  assert.eq(note.title, "Milk")
  assert.eq(note.tags, { "shop" })
end)

test("a note without a title is refused", function()
  local refused = http.post(service() .. "/notes", { tags = {} })
  assert.eq(refused.status, 400)
  assert.contains(refused.body, "'title' must be a non-empty string")
end)

test("a note that does not exist is not found", function()
  assert.eq(http.get(service() .. "/notes/99").status, 404)
end)
