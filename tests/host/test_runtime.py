"""The Python API."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path

import pytest

import assay
from assay import LuaError, LuaSyntaxError, Runtime, ScriptExit
from assay.lua.host import Host
from stub_service import StubService


def is_error(item: object) -> bool:
    return isinstance(item, type) and issubclass(item, BaseException)


class TestPackage:
    def test_all_is_what_is_public(self) -> None:
        from assay import errors, permissions, runtime

        internal = {"BuiltinError", "ErrorObject"}  # a binding turns each into a Lua error before it reaches anyone
        raised = {name for name, item in vars(errors).items() if is_error(item)} - internal
        assert set(assay.__all__) == raised | {"Permissions", "Runtime", "__version__"}
        assert dir(assay) == sorted(assay.__all__)
        assert assay.Runtime is runtime.Runtime
        assert assay.Permissions is permissions.Permissions
        assert all(getattr(assay, name) is getattr(errors, name) for name in raised)

    def test_an_unknown_name_is_an_attribute_error(self) -> None:
        with pytest.raises(AttributeError, match="module 'assay' has no attribute 'nope'"):
            assay.nope  # noqa: B018

    def test_every_error_is_an_assay_error(self) -> None:
        from assay import errors

        assert all(issubclass(item, assay.AssayError) for item in vars(errors).values() if is_error(item))


class TestRunning:
    async def test_a_file_gets_its_arguments_and_returns_a_value(self, tmp_path: Path) -> None:
        script = tmp_path / "x.lua"
        script.write_text("local a, b = ... return {arg[0], arg[1], a, b, n = nil}")
        async with Runtime() as lua:
            assert await lua.run_file(script, "one", "é") == [str(script), "one", "one", "é"]

    async def test_modules_are_found_beside_the_file(self, tmp_path: Path) -> None:
        (tmp_path / "helper.lua").write_text("return {answer = 42}")
        (tmp_path / "x.lua").write_text("return require('helper').answer")
        async with Runtime() as lua:
            assert await lua.run_file(tmp_path / "x.lua") == 42

    async def test_modules_are_found_in_a_given_folder(self, tmp_path: Path) -> None:
        (tmp_path / "helper.lua").write_text("return 42")
        async with Runtime(folder=tmp_path) as lua:
            assert await lua.run("return (require('helper'))") == 42

    async def test_code_gets_values(self) -> None:
        value = {"list": [1, 2.5, "three", True], "bytes": b"\xff", "empty": [], "nested": {"a": {"b": None}}}
        async with Runtime() as lua:
            assert await lua.run("return ...", value) == value | {"nested": {"a": {}}}
            assert await lua.run("return select('#', ...)", 1, None, None) == 3
            assert await lua.run("return nil") is None

    async def test_a_global_function_is_called_by_name(self) -> None:
        async with Runtime() as lua:
            await lua.run(
                "function add(a, b) return a + b end math_tools = {deep = {twice = function(x) return 2 * x end}}"
            )
            assert await lua.call("add", 1, 2) == 3
            assert await lua.call("math_tools.deep.twice", 21) == 42
            assert await lua.call("json.encode", [1]) == "[1]"

    async def test_a_function_in_a_result_can_be_called(self, tmp_path: Path) -> None:
        script = tmp_path / "plugin.lua"
        script.write_text("""
            local count = 0
            return {
              add = function(n) sleep(0) count = count + n return count end,
              make = function(a) return function(b) return a .. b end end,
              fail = function() error({ code = 7 }) end,
              leave = function() os.exit(3) end,
              name = "plugin",
            }
        """)
        async with Runtime() as lua:
            plugin = await lua.run_file(script)
            assert plugin["name"] == "plugin"
            assert list(await asyncio.gather(plugin["add"](1), plugin["add"](2))) == [1, 3]
            assert await (await plugin["make"]("a"))("b") == "ab"
            with pytest.raises(LuaError) as caught:
                await plugin["fail"]()
            assert caught.value.value == {"code": 7}
            with pytest.raises(ScriptExit) as left:
                await plugin["leave"]()
            assert left.value.code == 3
        with pytest.raises(RuntimeError, match="not running"):
            await plugin["add"](1)

    @pytest.mark.parametrize("name", ["nope", "nope.nope", "string", "_VERSION", "", "print.x"])
    async def test_a_missing_function_is_named(self, name: str) -> None:
        async with Runtime() as lua:
            with pytest.raises(LuaError, match=f"no global function '{name}'"):
                await lua.call(name)

    async def test_calls_run_concurrently(self) -> None:
        async with Runtime() as lua:
            code = "order = {} function wait(n) while #order < n - 1 do sleep(0.001) end order[n] = n return n end"
            await lua.run(code)
            assert await asyncio.gather(*(lua.call("wait", n) for n in (3, 1, 2))) == [3, 1, 2]
            assert await lua.run("return order") == [1, 2, 3]

    async def test_two_runtimes_share_nothing(self) -> None:
        async with Runtime() as one, Runtime() as two:
            await asyncio.gather(one.run("x = 1 sleep(0)"), two.run("x = 2 sleep(0)"))
            assert [await one.run("return x"), await two.run("return x")] == [1, 2]

    async def test_print_goes_to_a_stream(self) -> None:
        out = io.BytesIO()
        async with Runtime(stdout=out) as lua:
            await lua.run(r"print('a', 1, '\xff')")
        assert out.getvalue() == b"a\t1\t\xff\n"

    async def test_print_goes_to_standard_output(self, capsys: pytest.CaptureFixture[str]) -> None:
        async with Runtime() as lua:
            await lua.run("print('a', 1)")
        assert capsys.readouterr().out == "a\t1\n"


class TestErrors:
    async def test_an_error_keeps_message_value_and_traceback(self, tmp_path: Path) -> None:
        script = tmp_path / "x.lua"
        script.write_text("\nfunction fail() error({code = 7, message = 'seven'}) end\n")
        async with Runtime() as lua:
            await lua.run_file(script)
            with pytest.raises(LuaError) as caught:
                await lua.call("fail")
            assert await lua.run("return 1") == 1
        assert caught.value.message == str(caught.value) == "seven"
        assert caught.value.value == {"code": 7, "message": "seven"}
        assert "x.lua:2: in function 'fail'" in caught.value.traceback

    async def test_a_syntax_error_names_file_and_line(self, tmp_path: Path) -> None:
        script = tmp_path / "x.lua"
        script.write_text("\nx =")
        async with Runtime() as lua:
            with pytest.raises(LuaSyntaxError, match=r"x\.lua:2: unexpected symbol near <eof>"):
                await lua.run_file(script)
            with pytest.raises(LuaSyntaxError, match=r"^rules:1: "):
                await lua.run("x =", name="=rules")

    async def test_a_missing_file_is_an_os_error(self, tmp_path: Path) -> None:
        async with Runtime() as lua:
            with pytest.raises(FileNotFoundError):
                await lua.run_file(tmp_path / "nope.lua")

    async def test_a_runtime_runs_only_inside_its_block(self) -> None:
        lua = Runtime()
        with pytest.raises(RuntimeError, match="not running"):
            await lua.run("return 1")
        async with lua:
            pass
        with pytest.raises(RuntimeError, match="not running"):
            await lua.call("print")


class TestExit:
    @pytest.mark.parametrize(("call", "code"), [("os.exit(3)", 3), ("sleep(0) os.exit(false)", 1), ("os.exit()", 0)])
    async def test_os_exit_raises_and_ends_the_runtime(self, call: str, code: int) -> None:
        async with Runtime() as lua:
            for again in (call, "return 1"):
                with pytest.raises(ScriptExit) as caught:
                    await lua.run(again)
                assert caught.value.code == code

    async def test_os_exit_in_a_task_ends_the_runtime_too(self) -> None:
        async with Runtime() as lua:
            with pytest.raises(ScriptExit, match=r"os\.exit\(3\)"):
                await lua.run("async.spawn(function() os.exit(3) end) sleep(0.01)")


class TestCancellation:
    async def test_a_cancelled_call_raises_in_lua(self) -> None:
        async with Runtime() as lua:
            await lua.run(
                """
                function wait()
                  local ok, e = pcall(sleep, 600)
                  seen = e.kind
                  error(e)
                end
                """
            )
            call = asyncio.ensure_future(lua.call("wait"))
            await asyncio.sleep(0)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            assert await lua.run("return seen") == "cancelled"

    async def test_a_time_out_is_a_cancellation(self) -> None:
        async with Runtime() as lua:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.01):
                    await lua.run("sleep(600)")
            assert await lua.run("return 1") == 1

    async def test_closing_ends_spawned_tasks(self) -> None:
        out = io.BytesIO()
        async with Runtime(stdout=out) as lua:
            await lua.run(
                """
                async.spawn(function() pcall(sleep, 600) print("cleaned up") sleep(600) print("not reached") end)
                async.spawn(function() while true do pcall(sleep, 600) end end)
                sleep(0)
                """
            )
            assert len(asyncio.all_tasks()) > 1
        assert out.getvalue() == b"cleaned up\n"
        assert asyncio.all_tasks() == {asyncio.current_task()}

    async def test_closing_shuts_services_down(self) -> None:
        async with Runtime() as lua:
            host = lua._host
            assert isinstance(host, Host)
            host.services.add(StubService(0.01))
        assert host.services.running == []
