-- The script ends with `os.exit`, which would end the test file, so the test replaces it.
test("the exit code is the number of unhealthy services", function()
  local port
  async.spawn(http.serve, 0, {
    GET = {
      ["/healthy"] = function()
        return { body = "all is well" }
      end,
    },
  }, {
    on_listen = function(listening)
      port = listening
    end,
  })
  while not port do
    sleep(0.01)
  end
  local url = "http://127.0.0.1:" .. port
  local list = fs.tempdir() .. "/services.yaml"
  fs.write(
    list,
    yaml.encode({
      services = {
        { name = "healthy", url = url .. "/healthy", contains = "well" },
        { name = "missing", url = url .. "/nowhere" },
        { name = "changed", url = url .. "/healthy", contains = "bad" },
      },
    })
  )
  local code
  os.exit = function(number)
    code = number
  end
  arg = { list }
  require("health_checker")
  assert.eq(code, 2)
end)
