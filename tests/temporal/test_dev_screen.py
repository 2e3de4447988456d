"""The live screen of `assay dev`, on a terminal."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import re
import socket
import time
from collections.abc import Iterator

import pytest
from temporalio.client import Client

from assay.temporal.dev_server.server import DevServer
from command import Command, wait_for
from temporal_script import Script
from terminal import Terminal, terminal
from terminal_display import Display
from timeouts import TIMEOUT

WORKER = """
temporal.worker({
  task_queue = "QUEUE",
  activities = {
    declined = function() error("card declined") end,
    slow = function() print("it is slow") sleep(600) end,
  },
  workflows = {
    Waits = function(ctx)
      ctx:set_current_details("for its owner")
      ctx:wait_signal("approve", { timeout = 3600 })
    end,
    Pays = function(ctx) ctx:execute_activity("declined") end,
    Slow = function(ctx) ctx:execute_activity("slow") end,
    Breaks = function(ctx) local x = nil; x.y = 1 end,
  },
})
print("polling")
"""
HIDE, SHOW = b"\x1b[?25l", b"\x1b[?25h"


@contextlib.contextmanager
def dev(lua: Script, name: str, text: str = WORKER, *, columns: int = 120, lines: int = 40) -> Iterator[Terminal]:
    """The command on a terminal, which must be restored at the end."""
    script = lua.command.script(text.replace("QUEUE", name), "worker.lua")
    with terminal(lua.command, "dev", script, columns=columns, lines=lines) as screen:
        before = screen.modes()
        yield screen
        screen.wait()
        assert screen.modes() == before
        assert screen.raw.count(HIDE) == screen.raw.count(SHOW)
        assert b"\x1b[?1049" not in screen.raw


async def start(lua: Script, name: str, workflow_type: str, workflow_id: str = "") -> None:
    client = await Client.connect(lua.address)
    await client.start_workflow(workflow_type, id=workflow_id or f"{name}-{workflow_type}", task_queue=name)


async def test_it_shows_running_and_failed_workflows(lua: Script, name: str) -> None:
    with dev(lua, name) as screen:
        screen.read_until("polling")
        screen.read_until("no open workflows")
        for workflow_type in ("Waits", "Pays", "Breaks"):
            await start(lua, name, workflow_type)
        screen.read_until("recent failures")
        wanted = (
            r"worker\.lua:11  signal 'approve' until ",
            r"for its owner",
            r"worker\.lua:13  activity 'declined', attempt ([3-9]|\d\d)",
            r"recent failures(?s:.*)card declined",
            r"recent failures(?s:.*)worker\.lua:15(?s:.*)attempt to index",
        )
        picture, deadline = "", time.monotonic() + TIMEOUT
        while not all(re.search(text, picture) for text in wanted):
            assert time.monotonic() < deadline, picture
            screen.settle()
            display = Display(120)
            display.feed(screen.raw)
            picture = "\n".join(display.lines)
        assert picture.count("task queue") == 1
        assert (
            f"task queue    {name}\n  workflows   Breaks, Pays, Slow, Waits\n  activities  declined, slow\n" in picture
        )
        assert f"server        {lua.address} (configured)" in picture
        assert not display.has_cursor
        screen.type("\x03")
        assert screen.wait() == 0


async def test_output_scrolls_above_it_and_is_whole(lua: Script, name: str) -> None:
    text = WORKER + 'for i = 1, 300 do print("line " .. i .. " of output") if i % 7 == 0 then sleep(0.02) end end'
    with dev(lua, name, text, columns=60, lines=20) as screen:
        screen.read_until("line 300 of output")
        screen.read_until("no open workflows")
        screen.type("\r\rwhat is typed")
        await start(lua, name, "Waits")
        screen.read_until("1 open workflow")
        screen.type("\x03")
        assert screen.wait() == 0
        display = Display(60)
        display.feed(screen.raw)
        output = display.lines[display.lines.index("polling") :]
        assert output == ["polling", *(f"line {i} of output" for i in range(1, 301))]
        assert display.has_cursor


def test_ctrl_c_throws_no_output_away_that_is_on_its_way(lua: Script, name: str) -> None:
    code = """
    while not fs.exists("go") do sleep(0.02) end
    for i = 1, 150 do print("line " .. i .. " of output") if i % 3 == 0 then sleep(0.02) end end
    fs.write("printed", "")
    """
    with dev(lua, name, WORKER + code, columns=60, lines=20) as screen:
        screen.read_until("no open workflows")
        (lua.command.folder / "go").touch()
        wait_for(lambda: (lua.command.folder / "printed").exists())  # nothing reads the terminal's output
        screen.type("\x03")
        assert screen.wait() == 0
        display = Display(60)
        display.feed(screen.raw)
        output = display.lines[display.lines.index("polling") :]
        assert output == ["polling", *(f"line {i} of output" for i in range(1, 151))]


async def test_a_resize_leaves_nothing_behind(lua: Script, name: str) -> None:
    with dev(lua, name, columns=120, lines=30) as screen:
        await start(lua, name, "Waits")
        display = Display(120)
        seen = 0
        for columns in (60, 100, 45, 120):
            screen.read_until("signal 'app")
            screen.read_until("for its")
            screen.settle()  # a picture for the size before would come too late
            shown, seen = screen.raw[seen:], len(screen.raw)
            display.feed(shown)
            display.resize(columns)
            screen.resize(columns, 30)
        screen.type("\x03")
        assert screen.wait() == 0
        display.feed(screen.raw[seen:])
        assert [line for line in display.lines if "server" in line or "─" in line] == [
            f"Temporal server  {lua.address} (configured)"
        ]


async def test_it_decrypts_payloads(lua: Script, name: str) -> None:
    key = base64.b64encode(bytes(32)).decode()
    codec = f"codec = {{ type = 'aes-gcm', keys = {{ a = '{key}' }}, current = 'a' }},"
    with dev(lua, name, WORKER.replace("activities = {", codec + "activities = {", 1)) as screen:
        screen.read_until("no open workflows")
        await start(lua, name, "Waits")
        await start(lua, name, "Breaks")
        screen.read_until("signal 'approve'")
        screen.read_until("for its owner")
        screen.read_until("attempt to index")
        screen.type("\x03")
        assert screen.wait() == 0


async def test_of_many_workflows_it_shows_some(lua: Script, name: str) -> None:
    client = await Client.connect(lua.address)
    starts = [client.start_workflow("Waits", id=f"{name}-{i}", task_queue=name) for i in range(200)]
    await asyncio.gather(*starts)
    with dev(lua, name, columns=60, lines=24) as screen:
        screen.read_until("200 open workflows")
        screen.read_until("… and 1")
        screen.read_until(" more")
        screen.type("\x03")
        assert screen.wait() == 0


async def test_a_stopped_server_is_reported_soon(assay: Command, name: str) -> None:
    with DevServer(ui=False) as server:
        lua = Script(assay, server.address)
        with dev(lua, name) as screen:
            await start(lua, name, "Waits")
            screen.read_until("signal 'approve'")
            began = time.monotonic()
            server.stop()
            screen.read_until(f"not updated   {server.address} does not answer")
            assert time.monotonic() - began < 60  # the timeout of the SDK
            screen.read_until("1 open workflow")
            screen.read_until("signal 'approve'")
            screen.type("\x03")
            screen.read_until("stopping")
            screen.type("\x03")


async def test_it_leaves_room_for_the_output(lua: Script, name: str) -> None:
    with dev(lua, name, columns=80, lines=24) as screen:
        screen.read_until("no open workflows")
        for i in range(25):
            await start(lua, name, "Waits", f"{name}-{i:02}")
        screen.read_until("25 open workflows")
        screen.read_until(" more")
        display = Display(80)
        display.feed(screen.raw)
        rule = max(at for at, line in enumerate(display.lines) if "─" in line)
        assert len(display.lines) - rule <= 14
        screen.type("\x03")
        assert screen.wait() == 0


async def test_it_shows_reloads_and_code_that_does_not_run(lua: Script, name: str) -> None:
    good = WORKER.replace("QUEUE", name)
    with dev(lua, name) as screen:
        screen.read_until("no open workflows")
        lua.command.script(good.replace("local x = nil", "local x = = nil"), "worker.lua")
        screen.read_until("not reloaded  worker.lua: still running the previous version")
        screen.read_until("worker.lua:15: unexpected symbol near '='")
        lua.command.script(good.replace("polling", "polling again"), "worker.lua")
        screen.read_until("polling again")
        screen.read_until("reloaded      worker.lua (")
        await start(lua, name, "Waits")
        screen.read_until("signal 'approve'")
        lua.command.script(
            good.replace('ctx:wait_signal("approve", { timeout = 3600 })', 'ctx:execute_activity("slow")'), "worker.lua"
        )
        screen.read_until("not all open workflows match it")
        screen.read_until("is open and does not match the new code")
        screen.type("\x03")
        assert screen.wait() in (0, 130)  # the new worker may not be there yet


class TestCtrlC:
    """The terminal is restored whenever the signal arrives: the fixture `dev` checks that."""

    @pytest.mark.parametrize("seconds", [0.0, 0.2, 0.5, 1.0, 2.0])
    def test_at_some_moment(self, lua: Script, name: str, seconds: float) -> None:
        with dev(lua, name) as screen:
            screen.read_until("Temporal server")  # before that, Python itself is starting
            time.sleep(seconds)
            screen.type("\x03")
            assert screen.wait() in (0, 130, -2)

    def test_while_it_reloads(self, lua: Script, name: str) -> None:
        with dev(lua, name) as screen:
            screen.read_until("no open workflows")
            lua.command.script(WORKER.replace("QUEUE", name) + "-- changed", "worker.lua")
            time.sleep(0.6)
            screen.type("\x03")
            assert screen.wait() in (0, 130)

    async def test_while_it_drains(self, lua: Script, name: str) -> None:
        with dev(lua, name) as screen:
            await start(lua, name, "Slow")
            screen.read_until("it is slow")
            screen.read_until("1 open workflow")
            screen.type("\x03")
            screen.read_until("stopping")
            screen.type("\x03")
            assert screen.wait() == 137


async def test_a_workflow_opens_as_its_timeline(lua: Script, name: str) -> None:
    with dev(lua, name, columns=100, lines=24) as screen:
        screen.read_until("no open workflows")
        await start(lua, name, "Waits", f"{name}-first")
        await start(lua, name, "Waits", f"{name}-second")
        screen.read_until("2 open workflows")
        screen.read_until(f"Waits {name}-first")
        screen.read_until("signal 'approve'")
        screen.type("\x1b[B")
        screen.read_until(f"› Waits {name}-second")
        screen.type("\x1b[B")
        screen.read_until(f"› Waits {name}-first")
        screen.type("\r")
        screen.read_until("↑↓ scroll, o Web UI, Esc back")
        screen.read_until("worker.lua:11  ctx:wait_signal")
        screen.type("\x1b")
        screen.read_until(f"› Waits {name}-first")
        screen.type("\x03")
        assert screen.wait() == 0


async def test_output_is_whole_whatever_is_looked_at(lua: Script, name: str) -> None:
    text = WORKER + 'while not fs.exists("go") do sleep(0.05) end '
    text += 'for i = 1, 300 do print("line " .. i .. " of output") if i % 3 == 0 then sleep(0.05) end end'
    with dev(lua, name, text, columns=60, lines=20) as screen:
        screen.read_until("no open workflows")
        for number in range(5):
            await start(lua, name, "Waits", f"{name}-{number}")
        screen.read_until("5 open workflows")
        (lua.folder / "go").touch()
        for key in ("j", "j", "G", "\r"):
            screen.type(key)
            screen.read_until(" of output")
        screen.read_until("Esc back")
        for key in ("j", "\x1b[6~", "k", "\x1b", "k", "o", "\x1b"):
            screen.type(key)
            screen.read_until(" of output")
        screen.read_until("line 300 of output")
        screen.type("\x03")
        assert screen.wait() == 0
        display = Display(60)
        display.feed(screen.raw)
        output = display.lines[display.lines.index("polling") :]
        assert output == ["polling", *(f"line {i} of output" for i in range(1, 301))]


async def test_a_finished_workflow_is_shown_with_its_result(lua: Script, name: str) -> None:
    text = WORKER.replace("workflows = {", "workflows = { Sums = function() return { total = 42 } end,")
    with dev(lua, name, text) as screen:
        screen.read_until("no open workflows")
        await start(lua, name, "Sums")
        screen.read_until("last finished")
        screen.read_until(f"Sums {name}-Sums")
        screen.read_until('{"total": 42}')
        screen.type("\x03")
        assert screen.wait() == 0


def test_o_opens_the_page_of_a_workflow(assay: Command) -> None:
    browser = assay.folder / "browser"
    browser.write_text('#!/bin/sh\necho "$1" > opened.tmp && mv opened.tmp opened\n')
    browser.chmod(0o755)
    assay.environment["BROWSER"] = str(browser)
    text = (
        WORKER.replace("QUEUE", "opened")
        + """
    temporal.connect():start_workflow({ task_queue = "opened", workflow_type = "Waits", workflow_id = "a b" })
    """
    )
    with socket.socket() as free, socket.socket() as other:
        free.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        ports = free.getsockname()[1], other.getsockname()[1]
    options = ("--port", str(ports[0]), "--ui-port", str(ports[1]))
    with terminal(assay, "dev", *options, assay.script(text, "worker.lua"), columns=140, lines=40) as screen:
        screen.read_until("Waits a b")
        screen.type("o")
        screen.read_until("select a workflow first")
        screen.type("jo")
        screen.read_until("opened http://127.0.0.1:")
        wait_for((assay.folder / "opened").exists)
        page = (assay.folder / "opened").read_text().strip()
        pattern = rf"http://127\.0\.0\.1:{ports[1]}/namespaces/default/workflows/a%20b/[0-9a-f-]{{36}}/history"
        assert re.fullmatch(pattern, page)
        screen.type("\x03")
        assert screen.wait() == 0


def test_a_script_without_a_worker_has_no_picture(lua: Script, name: str) -> None:
    with dev(lua, name, 'print("only this") os.exit(3)') as screen:
        assert screen.wait() == 3
        assert "only this" in screen.shown
        assert HIDE not in screen.raw


def test_plain_lines_when_asked_for(lua: Script, name: str) -> None:
    script = lua.command.script(WORKER.replace("QUEUE", name), "worker.lua")
    with terminal(lua.command, "dev", "--plain", script) as screen:
        screen.read_until("polling")
        screen.type("\x03")
        assert screen.wait() == 0
        assert HIDE not in screen.raw
        assert "task queue   " not in screen.shown
