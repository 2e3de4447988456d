-- The commit that promotes a version: the body of GitLab's "create a commit" call.

return function(version, target)
  return {
    branch = "main",
    commit_message = "Promote " .. version .. " to " .. target,
    actions = {
      {
        action = "update",
        file_path = "overlays/" .. target .. "/version.yaml",
        content = "version: " .. version .. "\n",
      },
    },
  }
end
