-- SQLite; tests/db tests the database servers.
local check = require("check")

local conn = db.connect("sqlite::memory:")
conn:execute("create table item (id integer primary key, name text not null, price real, data blob)")

assert.eq(db.execute(conn, "insert into item (name, price) values (?, ?), (?, ?)", { "a", 1.5, "b", json.null }), 2)
assert.eq(conn:query("select id, name, price from item order by id"), {
  { id = 1, name = "a", price = 1.5 },
  { id = 2, name = "b" },
})
assert.eq(conn:query("select name from item where id = $1 or name = $2", { 7, "b" }), { { name = "b" } })
assert.eq(#conn:query("select 1 where false"), 0)

-- Bytes, and text that looks like a placeholder, are returned unchanged.
local text = "?'; drop table item; -- $1 \0 \255"
conn:execute("update item set data = ? where name = 'a'", { text })
assert.eq(conn:query("select data from item where id = 1")[1].data, text)

local problem = check.raises("db.execute: NOT NULL constraint failed: item.name", function()
  conn:execute("insert into item (price) values (?)", { 1 })
end)
assert.eq(problem.kind, "constraint")
assert.eq(problem.code, "SQLITE_CONSTRAINT_NOTNULL")

check.raises("db.execute: the statement contains a NUL", conn.execute, conn, "delete from item\0")

-- A transaction returns the results of its function, or raises its error.
local first, second = conn:transaction(function(tx)
  tx:execute("delete from item")
  return "one", #conn:query("select * from item")
end)
assert.eq({ first, second }, { "one", 0 })
local raised = { code = 5 }
local ok, caught = pcall(conn.transaction, conn, function(tx)
  tx:execute("insert into item (name) values ('c')")
  error(raised)
end)
assert.eq({ ok, caught == raised }, { false, true })
assert.eq(#conn:query("select * from item"), 0)

-- Statements wait for their turn inside coroutines, too.
local read = coroutine.wrap(function()
  coroutine.yield(conn:query("select 1 as n")[1].n)
  return conn:query("select 2 as n")[1].n
end)
assert.eq({ read(), read() }, { 1, 2 })

-- Each in-memory database is separate.
local other = db.connect("sqlite::memory:")
check.raises("db.query: no such table: item", function()
  other:query("select * from item")
end)

db.close(conn)
conn:close()
assert.eq(
  check.raises("db.query: the connection is closed", function()
    conn:query("select 1")
  end).kind,
  "closed"
)
