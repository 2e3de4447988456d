local codec = {
  type = "aes-gcm",
  keys = { ["2026-11"] = base64.encode(string.rep("k", 32)) },
  current = "2026-11",
}

test("the test reads the result without keys, as its workers run without the codec", function()
  local env = test.workflow_env({ script = "encryption.lua" })
  assert.eq(env:execute({ workflow_type = "Secret", input = "sesame" }), "the word is sesame")
end)

test("a client with keys reads unencrypted payloads too", function()
  local env = test.workflow_env({ script = "encryption.lua" })
  local run = env:start({ workflow_type = "Secret", input = "sesame" })
  local client = temporal.connect({ codec = codec })
  assert.eq(client:get_result({ workflow_id = run:id() }), "the word is sesame")
end)
