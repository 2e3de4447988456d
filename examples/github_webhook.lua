-- Receive GitHub's webhooks and start a durable workflow for each push to the main branch.
--
--   GITHUB_WEBHOOK_SECRET=… assay dev examples/github_webhook.lua [port]
--
-- In GitHub: Settings → Webhooks, content type application/json, the same secret, the event "push". A delivery is
-- answered at once; the deployment that follows may take hours and survives a crash of this process.

local QUEUE = "github"
local secret = env.get("GITHUB_WEBHOOK_SECRET")
assert(secret and secret ~= "", "set GITHUB_WEBHOOK_SECRET to the webhook's secret")

-- Compare in constant time: the digests of two different texts differ everywhere.
local function same(a, b)
  local key = crypto.random(32)
  return crypto.hmac(key, a) == crypto.hmac(key, b)
end

local function is_signed(req)
  return same("sha256=" .. crypto.hmac(secret, req.body, "sha256"), req.headers["x-hub-signature-256"] or "")
end

temporal.worker({
  task_queue = QUEUE,
  activities = {
    build = function(push)
      log.info("build", { repository = push.repository, commit = push.commit })
      return "registry.example/" .. push.repository .. ":" .. push.commit:sub(1, 7)
    end,
    deploy = function(image)
      log.info("deploy", { image = image })
    end,
  },
  workflows = {
    Deploy = function(ctx, push)
      local image = ctx:execute_activity("build", push)
      ctx:execute_activity("deploy", image)
      return { image = image, pushed_by = push.by }
    end,
  },
})
local client = temporal.connect()

local function on_push(delivery, event)
  if event.ref ~= "refs/heads/main" or event.deleted then
    return { status = 202, json = { ignored = event.ref } }
  end
  -- GitHub may deliver twice: an id that is taken by a running workflow cannot be started again.
  local id = "deploy-" .. delivery
  local ok, err = pcall(client.start_workflow, client, {
    task_queue = QUEUE,
    workflow_type = "Deploy",
    workflow_id = id,
    input = { repository = event.repository.full_name, commit = event.after, by = event.pusher.name },
  })
  if not ok and err.kind ~= "already_started" then
    error(err)
  end
  return { status = 202, json = { workflow = id, started = ok } }
end

http.serve(math.tointeger(tonumber(arg[1] or 8080)), {
  POST = {
    ["/github"] = function(req)
      if not is_signed(req) then
        return { status = 401, json = { error = "bad signature" } }
      end
      local event, delivery = req.headers["x-github-event"], req.headers["x-github-delivery"]
      if event == "ping" then
        return { json = { zen = json.parse(req.body).zen } }
      elseif event == "push" and delivery then
        return on_push(delivery, json.parse(req.body))
      end
      return { status = 202, json = { ignored = event } }
    end,
  },
}, {
  on_listen = function(port)
    print("listening on http://127.0.0.1:" .. port .. "/github")
  end,
})
