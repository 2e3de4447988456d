"""The Python API: `Runtime` runs Lua in an asyncio program."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path

import pytest

import assay
from assay import LuaError, LuaSyntaxError, Runtime, ScriptExit, errors, permissions, runtime
from assay.lua.host import Host
from stub_service import StubService


def is_error(item: object) -> bool:
    """Return true for an exception class."""
    return isinstance(item, type) and issubclass(item, BaseException)


class TestPackage:
    def test_all_names_the_errors_that_can_be_raised(self) -> None:
        internal = {"BuiltinError", "ErrorObject"}  # a binding turns each into a Lua error
        raised = {name for name, item in vars(errors).items() if is_error(item)} - internal
        assert set(assay.__all__) == raised | {"Permissions", "Runtime", "__version__"}

    def test_dir_shows_the_public_names(self) -> None:
        assert dir(assay) == sorted(assay.__all__)

    def test_public_names_are_those_of_the_modules(self) -> None:
        assert assay.Runtime is runtime.Runtime
        assert assay.Permissions is permissions.Permissions
        assert all(getattr(assay, name) is item for name, item in vars(errors).items() if name in assay.__all__)

    def test_an_unknown_name_is_an_attribute_error(self) -> None:
        with pytest.raises(AttributeError, match="module 'assay' has no attribute 'nope'"):
            assay.nope  # noqa: B018

    @pytest.mark.parametrize("name", [name for name, item in vars(errors).items() if is_error(item)])
    def test_every_error_is_an_assay_error(self, name: str) -> None:
        assert issubclass(getattr(errors, name), assay.AssayError)


class TestRunning:
    async def test_a_file_receives_its_arguments(self, tmp_path: Path) -> None:
        script = tmp_path / "x.lua"
        script.write_text("local a, b = ... return { a, b }")
        async with Runtime() as lua:
            assert await lua.run_file(script, "one", "é") == ["one", "é"]

    async def test_the_table_arg_has_the_path_and_the_arguments(self, tmp_path: Path) -> None:
        script = tmp_path / "x.lua"
        script.write_text("return { path = arg[0], first = arg[1] }")
        async with Runtime() as lua:
            assert await lua.run_file(script, "one") == {"path": str(script), "first": "one"}

    async def test_modules_are_found_beside_the_file(self, tmp_path: Path) -> None:
        (tmp_path / "helper.lua").write_text("return {answer = 42}")
        (tmp_path / "x.lua").write_text("return require('helper').answer")
        async with Runtime() as lua:
            assert await lua.run_file(tmp_path / "x.lua") == 42

    async def test_modules_are_found_in_a_given_folder(self, tmp_path: Path) -> None:
        (tmp_path / "helper.lua").write_text("return 42")
        async with Runtime(folder=tmp_path) as lua:
            assert await lua.run("return (require('helper'))") == 42

    @pytest.mark.parametrize(
        "value",
        [[1, 2.5, "three", True], b"\xff", [], {"a": {"b": 1}}],
        ids=["list", "bytes", "empty list", "nested"],
    )
    async def test_a_value_is_passed_and_returned(self, value: object) -> None:
        async with Runtime() as lua:
            assert await lua.run("return ...", value) == value

    async def test_none_in_a_dict_is_an_absent_field(self) -> None:
        async with Runtime() as lua:
            assert await lua.run("return ...", {"a": None, "b": 1}) == {"b": 1}

    async def test_none_is_passed_as_nil(self) -> None:
        async with Runtime() as lua:
            assert await lua.run("return select('#', ...)", 1, None, None) == 3

    async def test_nil_is_returned_as_none(self) -> None:
        async with Runtime() as lua:
            assert await lua.run("return nil") is None

    @pytest.mark.parametrize(
        ("name", "arguments", "result"),
        [("add", (1, 2), 3), ("math_tools.deep.twice", (21,), 42), ("json.encode", ([1],), "[1]")],
        ids=["function", "function in tables", "builtin"],
    )
    async def test_a_global_function_is_called_by_name(
        self, name: str, arguments: tuple[object, ...], result: object
    ) -> None:
        async with Runtime() as lua:
            await lua.run("function add(a, b) return a + b end")
            await lua.run("math_tools = { deep = { twice = function(x) return 2 * x end } }")
            assert await lua.call(name, *arguments) == result

    async def test_a_function_in_a_result_can_be_called(self) -> None:
        async with Runtime() as lua:
            plugin = await lua.run("return { name = 'plugin', double = function(n) return 2 * n end }")
            assert plugin["name"] == "plugin"
            assert await plugin["double"](21) == 42

    async def test_calls_of_a_returned_function_run_concurrently(self) -> None:
        async with Runtime() as lua:
            add = await lua.run("local count = 0 return function(n) sleep(0) count = count + n return count end")
            assert list(await asyncio.gather(add(1), add(2))) == [1, 3]

    async def test_a_returned_function_may_return_a_function(self) -> None:
        async with Runtime() as lua:
            join = await lua.run("return function(a) return function(b) return a .. b end end")
            assert await (await join("a"))("b") == "ab"

    async def test_an_error_of_a_returned_function_is_raised(self) -> None:
        async with Runtime() as lua:
            fail = await lua.run("return function() error({ code = 7 }) end")
            with pytest.raises(LuaError) as caught:
                await fail()
        assert caught.value.value == {"code": 7}

    async def test_os_exit_in_a_returned_function_is_raised(self) -> None:
        async with Runtime() as lua:
            leave = await lua.run("return function() os.exit(3) end")
            with pytest.raises(ScriptExit) as caught:
                await leave()
        assert caught.value.code == 3

    async def test_a_returned_function_cannot_be_called_after_the_runtime_has_ended(self) -> None:
        async with Runtime() as lua:
            function = await lua.run("return function() end")
        with pytest.raises(RuntimeError, match="not running"):
            await function()

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
            await asyncio.gather(one.run("x = 'one' sleep(0)"), two.run("x = 'two' sleep(0)"))
            assert await one.run("return x") == "one"
            assert await two.run("return x") == "two"

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
    async def test_an_error_has_message_value_and_traceback(self, tmp_path: Path) -> None:
        script = tmp_path / "x.lua"
        script.write_text("\nfunction fail() error({code = 7, message = 'seven'}) end\n")
        async with Runtime() as lua:
            await lua.run_file(script)
            with pytest.raises(LuaError) as caught:
                await lua.call("fail")
        assert caught.value.message == str(caught.value) == "seven"
        assert caught.value.value == {"code": 7, "message": "seven"}
        assert "x.lua:2: in function 'fail'" in caught.value.traceback

    async def test_a_runtime_runs_on_after_an_error(self) -> None:
        async with Runtime() as lua:
            with pytest.raises(LuaError):
                await lua.run("error('no')")
            assert await lua.run("return 1") == 1

    async def test_a_syntax_error_names_file_and_line(self, tmp_path: Path) -> None:
        script = tmp_path / "x.lua"
        script.write_text("\nx =")
        async with Runtime() as lua:
            with pytest.raises(LuaSyntaxError, match=r"x\.lua:2: unexpected symbol near <eof>"):
                await lua.run_file(script)

    async def test_a_syntax_error_in_code_names_the_chunk(self) -> None:
        async with Runtime() as lua:
            with pytest.raises(LuaSyntaxError, match=r"^rules:1: "):
                await lua.run("x =", name="=rules")

    async def test_a_missing_file_is_an_os_error(self, tmp_path: Path) -> None:
        async with Runtime() as lua:
            with pytest.raises(FileNotFoundError):
                await lua.run_file(tmp_path / "nope.lua")

    async def test_a_runtime_does_not_run_before_its_block(self) -> None:
        with pytest.raises(RuntimeError, match="not running"):
            await Runtime().run("return 1")

    async def test_a_runtime_does_not_run_after_its_block(self) -> None:
        async with Runtime() as lua:
            pass
        with pytest.raises(RuntimeError, match="not running"):
            await lua.call("print")


class TestExit:
    @pytest.mark.parametrize(("call", "code"), [("os.exit(3)", 3), ("sleep(0) os.exit(false)", 1), ("os.exit()", 0)])
    async def test_os_exit_is_raised(self, call: str, code: int) -> None:
        async with Runtime() as lua:
            with pytest.raises(ScriptExit) as caught:
                await lua.run(call)
        assert caught.value.code == code

    @pytest.mark.parametrize(("call", "code"), [("os.exit(3)", 3), ("sleep(0) os.exit(false)", 1), ("os.exit()", 0)])
    async def test_every_call_after_os_exit_raises_it_again(self, call: str, code: int) -> None:
        async with Runtime() as lua:
            with pytest.raises(ScriptExit):
                await lua.run(call)
            with pytest.raises(ScriptExit) as caught:
                await lua.run("return 1")
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

    async def test_a_timeout_cancels_the_call(self) -> None:
        async with Runtime() as lua:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.01):
                    await lua.run("sleep(600)")
            assert await lua.run("return 1") == 1

    async def test_closing_cancels_spawned_tasks(self) -> None:
        out = io.BytesIO()
        async with Runtime(stdout=out) as lua:
            await lua.run(
                """
                async.spawn(function() pcall(sleep, 600) print("cleaned up") sleep(600) print("not reached") end)
                sleep(0)
                """
            )
        assert out.getvalue() == b"cleaned up\n"

    async def test_closing_ends_a_task_that_ignores_cancellation(self) -> None:
        async with Runtime() as lua:
            await lua.run("async.spawn(function() while true do pcall(sleep, 600) end end) sleep(0)")
            assert len(asyncio.all_tasks()) > 1
        assert asyncio.all_tasks() == {asyncio.current_task()}

    async def test_closing_shuts_services_down(self) -> None:
        async with Runtime() as lua:
            host = lua._host
            assert isinstance(host, Host)
            host.services.add(StubService(0.01))
        assert host.services.running == []
