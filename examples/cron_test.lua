test("old files are deleted, recent ones stay", function()
  local folder = fs.tempdir()
  fs.write(folder .. "/recent", "12345")
  env.set("EVERY_MS", "10")
  env.set("RUNS", "2")
  arg = { folder }
  require("cron")
  assert.eq(fs.list(folder)[1].name, "recent")
end)
