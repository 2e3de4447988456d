"""The snippets of docs/client.md, run one after the other as one script."""

from __future__ import annotations

from guides import blocks
from temporal_script import Script

WORKER = """
local worker = temporal.worker({
  task_queue = "TASKS",
  workflows = {
    Order = function(ctx, input)
      local items = { input and input.item }
      ctx:register_query("count", function() return #items end)
      ctx:register_update("remove", function(name)
        for i, item in ipairs(items) do
          if item == name then table.remove(items, i) end
        end
        return #items
      end)
      while true do items[#items + 1] = ctx:wait_signal("add").item end
    end,
    Report = function() end,
  },
  activities = { print_label = function(input) return "label " .. input.order end },
})
"""


def test_the_snippets_run(lua: Script, name: str) -> None:
    snippets = blocks("docs/client.md", "lua")
    assert len(snippets) > 6
    text = "".join([WORKER, *snippets, "worker:shutdown()\nclient:close()\n"])
    for word in ("order-1", "order-2", "nightly-report", "label-of-order-1"):
        text = text.replace(f'"{word}"', f'"{name}-{word}"')
    text = text.replace('"orders"', f'"{name}"').replace("'orders'", f"'{name}'").replace("TASKS", name)
    result = lua.run(text)
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0].startswith(f"{name}-order-1\t")
    assert lines[1:3] == ["2", "1"]
    assert lines[3].startswith("0\t")
    assert lines[4] == "false\tcancelled"
    assert lines[-2:] == ["label 1", "COMPLETED"]
    assert (lua.folder / "order-1.json").exists()
