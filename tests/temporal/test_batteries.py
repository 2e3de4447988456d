"""The builtins inside a workflow: pure functions work, within limits; functions with I/O raise errors."""

from __future__ import annotations

from temporal_script import Script

RUN = """
local worker = temporal.worker({ task_queue = arg[1], workflows = { Flow = function(ctx)
  BODY
end } })
local client = temporal.connect()
local run = client:start_workflow({ task_queue = arg[1], workflow_type = "Flow", workflow_id = arg[1] })
print(json.encode(client:get_result({ workflow_id = run.workflow_id })))
worker:shutdown()
"""


def test_pure_functions_are_available(lua: Script, name: str) -> None:
    value = lua.value(
        RUN.replace(
            "BODY",
            r"""
        return {
          yaml.parse("a: yes\nb: [1, 2.5]"), yaml.parse_all("1\n---\n2"), yaml.encode({ b = 1, a = { "x" } }),
          toml.parse("d = 2026-11-23"), toml.encode({ a = 1 }),
          regex.match("abc", "b"), regex.find("a1", "(\\d)").groups, regex.find_all("a1b2", "\\d"),
          regex.replace("ab", "(a)", "$1$1"),
          markdown.to_html("*x*"), base64.decode(base64.encode("x")), crypto.hash("x"):sub(1, 4),
          crypto.jwt_decode("eyJhbGciOiJIUzI1NiJ9.eyJhIjoxfQ.x").claims,
        }
        """,
        ),
        name,
    )
    assert value == [
        {"a": "yes", "b": [1, 2.5]},
        [1, 2],
        "a:\n- x\nb: 1\n",
        {"d": "2026-11-23"},
        "a = 1\n",
        True,
        ["1"],
        ["1", "2"],
        "aab",
        "<p><em>x</em></p>\n",
        "x",
        "2d71",
        {"a": 1},
    ]


def test_io_functions_say_to_use_an_activity(lua: Script, name: str) -> None:
    value = lua.value(
        RUN.replace(
            "BODY",
            r"""
        local calls = {
          { shell.exec, "true" }, { process.list }, { process.is_running, "x" }, { process.kill, 1, 0 },
          { process.wait_idle, "x" }, { disk.usage, "/" }, { disk.sweep, "/none", 1 }, { disk.dir_size, "/none" },
          { template.render, "/none" }, { template.render_string, "x" },
          { fs.read, "/none" }, { fs.tempdir }, { env.get, "x" }, { os.hostname },
          { crypto.jwt_sign, { a = 1 }, "key", "HS256" }, { crypto.jwt_verify, "a.b.c", "key" },
        }
        local out = {}
        for i, call in ipairs(calls) do
          out[i] = select(2, pcall(table.unpack(call)))
        end
        return out
        """,
        ),
        name,
    )
    assert len(value) == 16
    for message in value:
        assert message.endswith(": not allowed in a workflow: workflow code cannot do I/O; use an activity"), message


def test_expensive_calls_are_bounded(lua: Script, name: str) -> None:
    value = lua.value(
        RUN.replace(
            "BODY",
            r"""
        local out = {}
        for i, call in ipairs({
          { regex.find_all, ("a"):rep(16384), "a.*b|a" }, { toml.parse, ("a."):rep(100000) .. "a = 1" },
          { markdown.to_html, ("!["):rep(100000) }, { yaml.parse, ("- 1\n"):rep(100000) },
        }) do
          out[i] = select(2, pcall(table.unpack(call)))
        end
        return out
        """,
        ),
        name,
    )
    assert value == [
        "regex.find_all: 16390 bytes are too large for a workflow (at most 16384): use an activity",
        "toml.parse: 200005 bytes are too large for a workflow (at most 8192): use an activity",
        "markdown.to_html: 200000 bytes are too large for a workflow (at most 8192): use an activity",
        "yaml.parse: 400000 bytes are too large for a workflow (at most 131072): use an activity",
    ]
