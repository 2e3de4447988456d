-- A REST service over SQLite: assay run examples/rest_service.lua [port] [file.db]
--
--   curl -s localhost:8080/notes -d '{"title": "Milk", "tags": ["shop"]}'
--   curl -s localhost:8080/notes?tag=shop

local conn = db.connect("sqlite://" .. (arg[2] or "notes.db"))
conn:execute([[
  create table if not exists note (id integer primary key, title text not null, done integer not null default 0);
  create table if not exists tag (note integer not null references note on delete cascade, name text not null);
  create index if not exists tag_name on tag (name);
]])

local function problem(status, text)
  return { status = status, json = { error = text } }
end

local function tags_of(id)
  local tags = json.array()
  for i, row in ipairs(conn:query("select name from tag where note = ? order by rowid", { id })) do
    tags[i] = row.name
  end
  return tags
end

local function as_json(row)
  return { id = row.id, title = row.title, done = row.done == 1, tags = tags_of(row.id) }
end

local function find(req)
  local id = math.tointeger(tonumber(req.path_params.id))
  return id and conn:query("select * from note where id = ?", { id })[1]
end

-- The note in the body of a request, or nil and an error message.
local function read(req)
  local ok, note = pcall(json.parse, req.body)
  if not ok or type(note) ~= "table" then
    return nil, "the body is not a JSON object"
  elseif type(note.title) ~= "string" or note.title == "" then
    return nil, "'title' must be a non-empty string"
  elseif note.tags ~= nil and type(note.tags) ~= "table" then
    return nil, "'tags' must be an array"
  end
  return note
end

local function set_tags(id, tags)
  conn:execute("delete from tag where note = ?", { id })
  for _, tag in ipairs(tags or {}) do
    conn:execute("insert into tag values (?, ?)", { id, tostring(tag) })
  end
end

local function list(req)
  local rows
  if req.params.tag then
    rows =
      conn:query("select * from note where id in (select note from tag where name = ?) order by id", { req.params.tag })
  else
    rows = conn:query("select * from note order by id")
  end
  local notes = json.array()
  for i, row in ipairs(rows) do
    notes[i] = as_json(row)
  end
  return { json = notes }
end

local function create(req)
  local note, wrong = read(req)
  if not note then
    return problem(400, wrong)
  end
  local row = conn:transaction(function()
    local made =
      conn:query("insert into note (title, done) values (?, ?) returning *", { note.title, note.done == true })
    set_tags(made[1].id, note.tags)
    return made[1]
  end)
  return { status = 201, json = as_json(row), headers = { Location = "/notes/" .. row.id } }
end

local function show(req)
  local row = find(req)
  return row and { json = as_json(row) } or problem(404, "no such note")
end

local function replace(req)
  local row = find(req)
  if not row then
    return problem(404, "no such note")
  end
  local note, wrong = read(req)
  if not note then
    return problem(400, wrong)
  end
  conn:transaction(function()
    conn:execute("update note set title = ?, done = ? where id = ?", { note.title, note.done == true, row.id })
    set_tags(row.id, note.tags)
  end)
  return show(req)
end

local function remove(req)
  local row = find(req)
  if not row then
    return problem(404, "no such note")
  end
  conn:transaction(function()
    set_tags(row.id, {})
    conn:execute("delete from note where id = ?", { row.id })
  end)
  return { status = 204 }
end

http.serve(math.tointeger(tonumber(arg[1] or 8080)), {
  GET = { ["/notes"] = list, ["/notes/:id"] = show },
  POST = { ["/notes"] = create },
  PUT = { ["/notes/:id"] = replace },
  DELETE = { ["/notes/:id"] = remove },
}, {
  on_listen = function(port)
    print("listening on http://127.0.0.1:" .. port)
  end,
})
conn:close()
