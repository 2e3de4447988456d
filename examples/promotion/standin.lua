-- A web server that replaces GitLab and the webhook of the chat in the demo and in tests.
-- `serve` blocks; it calls `on_listen(port)` when it is ready, and `on_request(text)` for each request.

local standin = { token = "glpat-demo" }

function standin.serve(on_listen, on_request)
  http.serve(0, {
    POST = {
      ["/api/v4/projects/*"] = function(req)
        if req.headers["private-token"] ~= standin.token then
          on_request("GitLab refuses the token")
          return { status = 401, json = { message = "401 Unauthorized" } }
        end
        local commit = json.parse(req.body)
        local id = crypto.hash(req.body, "sha256"):sub(1, 40)
        on_request("GitLab commits '" .. commit.commit_message .. "' as " .. id:sub(1, 8))
        return { status = 201, json = { id = id, short_id = id:sub(1, 8), title = commit.commit_message } }
      end,
      ["/hooks/deployments"] = function(req)
        on_request("the webhook hears: " .. json.parse(req.body).text)
        return { status = 200, body = "ok" }
      end,
    },
  }, { on_listen = on_listen })
end

return standin
