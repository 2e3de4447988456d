-- Encryption: worker and client share keys, and the server stores only ciphertext. A client without the keys can see that
-- the workflow ran, but cannot read its result.

local codec = {
  type = "aes-gcm",
  keys = { ["2026-11"] = env.get("KEY_B64") or base64.encode(string.rep("k", 32)) }, -- a real one is random and secret
  current = "2026-11",
}

local worker = temporal.worker({
  task_queue = "encryption",
  codec = codec,
  workflows = {
    Secret = function(_, word)
      return "the word is " .. word
    end,
  },
})

local client = temporal.connect({ codec = codec })
local run = client:start_workflow({ task_queue = "encryption", workflow_type = "Secret", input = "sesame" })
print(client:get_result({ workflow_id = run.workflow_id }))

local without_keys = temporal.connect()
print(without_keys:describe_workflow(run.workflow_id).status)
local readable = pcall(without_keys.get_result, without_keys, { workflow_id = run.workflow_id })
print(readable and "readable" or "unreadable without keys")
worker:shutdown()
