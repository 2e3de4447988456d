--- db.connect db.execute db.query db.close
local conn = db.connect("sqlite::memory:")
db.execute(conn, "create table note (id integer primary key, title text)")
db.execute(conn, "insert into note (title) values (?), (?)", { "milk", "bread" })
assert.eq(db.query(conn, "select title from note where id = ?", { 2 }), { { title = "bread" } })
db.close(conn)

--- db.transaction conn:transaction
local conn = db.connect("sqlite::memory:")
conn:execute("create table account (name text, balance integer)")
conn:execute("insert into account values ('ada', 10), ('bob', 0)")
conn:transaction(function(tx) -- an error would roll back the transaction
  tx:execute("update account set balance = balance - 5 where name = 'ada'")
  tx:execute("update account set balance = balance + 5 where name = 'bob'")
end)
assert.eq(conn:query("select balance from account where name = 'bob'")[1].balance, 5)

--- conn:execute conn:query conn:close
local conn = db.connect("sqlite::memory:")
conn:execute("create table note (title text)")
assert.eq(conn:execute("insert into note values ($1)", { "milk" }), 1) -- affected rows
assert.eq(conn:query("select * from note"), { { title = "milk" } })
conn:close()
