"""The command line: arguments, output and exit codes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from assay.cli.names import COMMANDS
from command import Command, read_until, wait_for
from timeouts import TIMEOUT

STUB = (str(Path(__file__).parent.parent / "support" / "stub_service.py"),)
BUSY = "sleep(0) print('busy') while true do end"
STUCK_IN_C = "sleep(0) print('busy') string.find(('a'):rep(100), ('.-'):rep(30) .. 'b')"


class TestRunning:
    @pytest.mark.parametrize("form", [[], ["run"], ["--verbose"], ["run", "--verbose"], ["--verbose", "run"]])
    def test_a_script_gets_its_arguments(self, assay: Command, form: list[str]) -> None:
        script = assay.script("print(arg[0], #arg, arg[1], ...)")
        result = assay.run(*form, script, "--x", "-e", "--", "é")
        assert (result.stdout, result.stderr, result.returncode) == ("script.lua\t4\t--x\t--x\t-e\t--\té\n", "", 0)

    @pytest.mark.parametrize("form", [["exec", "-e"], ["exec", "--verbose", "-e"]])
    def test_code_gets_its_arguments(self, assay: Command, form: list[str]) -> None:
        result = assay.run(*form, "print(arg[0], ...)", "a", "--b")
        assert (result.stdout, result.stderr, result.returncode) == ("-e\ta\t--b\n", "", 0)

    def test_arguments_are_bytes(self, assay: Command) -> None:
        result = subprocess.run(
            [assay.path.encode(), b"exec", b"-e", b"print(#arg[1], arg[1] == '\\xff\\xfe')", b"\xff\xfe"],
            env=assay.environment,
            capture_output=True,
            check=False,
        )
        assert (result.stdout, result.stderr) == (b"2\ttrue\n", b"")

    def test_a_script_named_like_a_command_is_run_by_its_path(self, assay: Command) -> None:
        assay.script("print('mine')", "dev")
        assert assay.run("./dev").stdout == "mine\n"

    def test_modules_are_found_beside_the_script(self, assay: Command) -> None:
        (assay.folder / "app").mkdir()
        assay.script("return 'found'", "app/helper.lua")
        script = assay.script("print((require('helper')))", "app/main.lua")
        assert assay.run(script).stdout == "found\n"

    @pytest.mark.parametrize("value", ["print", "coroutine.create(print)", "setmetatable({}, {__index = error})"])
    @pytest.mark.parametrize("before", ["", "sleep(0) "])
    def test_a_script_may_return_anything(self, assay: Command, before: str, value: str) -> None:
        result = assay.run("exec", "-e", f"{before}return {value}")
        assert (result.stdout, result.stderr, result.returncode) == ("", "", 0)

    def test_python_runs_it_as_a_module(self, assay: Command) -> None:
        with assay.started("exec", "-e", "print(1)", program=("-m", "assay")) as process:
            assert process.communicate(timeout=TIMEOUT) == ("1\n", "")

    def test_the_end_of_the_main_chunk_ends_tasks_that_refuse_to_end(self, assay: Command) -> None:
        result = assay.run("exec", "-e", "async.spawn(function() while true do pcall(sleep, 60) end end) sleep(0.01)")
        assert (result.stderr, result.returncode) == ("", 0)


class TestErrors:
    @pytest.mark.parametrize("form", [[], ["run"], ["--verbose"], ["dev"]])
    @pytest.mark.parametrize(
        ("script", "reason"),
        [
            ("nope.lua", "No such file or directory"),
            (".", "Is a directory"),
            ("nope/x.lua", "No such file or directory"),
        ],
    )
    def test_an_unreadable_script_is_named(self, assay: Command, form: list[str], script: str, reason: str) -> None:
        result = assay.run(*form, script)
        assert (result.stdout, result.stderr) == ("", f"assay: cannot read {script}: {reason}\n")
        assert result.returncode == 1

    @pytest.mark.parametrize(("word", "hint"), [("chekc", "did you mean 'check'?"), ("xyz", "commands: check, c")])
    def test_a_word_may_have_meant_a_command(self, assay: Command, word: str, hint: str) -> None:
        result = assay.run(word, "worker.lua")
        assert result.stderr.startswith(f"assay: unknown command or script '{word}' ({hint}")
        assert (result.stdout, result.returncode) == ("", 1)
        assert assay.run(assay.script("print('runs')", word)).stdout == "runs\n"

    def test_an_error_shows_message_and_lua_traceback(self, assay: Command) -> None:
        script = assay.script("local function deep()\n  error('boom')\nend\nprint('before')\nlocal ok = deep()\n")
        result = assay.run(script)
        assert result.stdout == "before\n"
        lines = result.stderr.splitlines()
        assert lines[:2] == ["assay: script.lua:2: boom", "stack traceback:"]
        assert "script.lua:2: in local 'deep'" in result.stderr
        assert "script.lua:5: in main chunk" in result.stderr
        assert "assay]" not in result.stderr
        assert "Traceback" not in result.stderr
        assert result.returncode == 1

    def test_an_error_after_a_wait_is_no_different(self, assay: Command) -> None:
        result = assay.run(assay.script("sleep(0)\nerror('boom')"))
        assert result.stderr.startswith("assay: script.lua:2: boom\nstack traceback:\n")
        assert result.returncode == 1

    def test_a_syntax_error_names_file_and_line(self, assay: Command) -> None:
        result = assay.run(assay.script("print(1)\nlocal x =\n"))
        assert result.stderr == "assay: script.lua:3: unexpected symbol near <eof>\n"
        result = assay.run(assay.script("\x1bLua"))
        assert result.stderr == "assay: script.lua: precompiled chunks are not supported\n"
        assert (result.stdout, result.returncode) == ("", 1)

    def test_a_syntax_error_in_code_names_its_line(self, assay: Command) -> None:
        result = assay.run("exec", "-e", "x =")
        assert result.stderr == "assay: (command line):1: unexpected symbol near <eof>\n"
        assert result.returncode == 1

    @pytest.mark.parametrize(
        ("arguments", "names"),
        [
            (["--bogus"], "--bogus"),
            (["run"], "SCRIPT"),
            (["run", "--bogus", "x.lua"], "--bogus"),
            (["exec"], "-e"),
            (["exec", "-e"], "-e"),
            (["dev"], "SCRIPT"),
            (["dev", "x.lua", "--port", "0"], "--port"),
            (["dev", "x.lua", "--port", "many"], "--port"),
        ],
    )
    def test_a_wrong_call_names_what_is_wrong(self, assay: Command, arguments: list[str], names: str) -> None:
        result = assay.run(*arguments)
        assert names in result.stderr
        assert "Traceback" not in result.stderr
        assert (result.stdout, result.returncode) == ("", 2)


class TestHelp:
    @pytest.mark.parametrize("name", [None, *COMMANDS])
    def test_it_fits_on_a_screen(self, assay: Command, name: str | None) -> None:
        result = assay.run(*filter(None, [name]), "--help")
        assert (result.stderr, result.returncode) == ("", 0)
        lines = result.stdout.splitlines()
        assert len(lines) < 24, "a prompt stands below it"
        assert max(map(len, lines)) <= 80
        assert "\\b" not in result.stdout
        assert not any(line.endswith("...") for line in lines[2:]), "cut"

    def test_version(self, assay: Command) -> None:
        from assay import __version__

        result = assay.run("--version")
        assert (result.stdout, result.returncode) == (f"assay {__version__}\n", 0)

    @pytest.mark.parametrize("option", ["--help", "-h"])
    def test_help_lists_the_commands(self, assay: Command, option: str) -> None:
        result = assay.run(option)
        assert result.stdout.startswith("Usage: assay [OPTIONS] SCRIPT|COMMAND [ARGS]...\n")
        assert all(f"\n  {name} " in result.stdout for name in ("dev", "exec", "run"))
        assert result.returncode == 0

    @pytest.mark.parametrize("command", ["dev", "exec", "run"])
    def test_each_command_has_help(self, assay: Command, command: str) -> None:
        result = assay.run(command, "--help")
        assert result.stdout.startswith(f"Usage: assay {command} ")
        assert result.returncode == 0


class TestExit:
    @pytest.mark.parametrize(("code", "expected"), [("0", 0), ("3", 3), ("true", 0), ("false", 1), ("", 0)])
    @pytest.mark.parametrize("before", ["", "sleep(0) "])
    def test_os_exit_sets_the_exit_code(self, assay: Command, before: str, code: str, expected: int) -> None:
        result = assay.run("exec", "-e", f"print('out') {before}os.exit({code}) print('not reached')")
        assert (result.stdout, result.stderr, result.returncode) == ("out\n", "", expected)

    def test_os_exit_ends_the_process_from_a_task(self, assay: Command) -> None:
        result = assay.run("exec", "-e", "async.spawn(function() sleep(0) os.exit(4) end) sleep(60)")
        assert (result.stderr, result.returncode) == ("", 4)

    @pytest.mark.parametrize("code", ["for i = 1, 1e6 do print(i) end", "while true do print(1) sleep(0) end"])
    def test_a_reader_that_leaves_ends_it_quietly(self, assay: Command, code: str) -> None:
        with assay.started("exec", "-e", code) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            process.stdout.readline()
            process.stdout.close()
            assert process.wait(TIMEOUT) == 128 + signal.SIGPIPE
            assert process.stderr.read() == ""

    @pytest.mark.parametrize("code", ["print(1)", "print(1) sleep(0)", "print(1) os.exit(0)"])
    def test_a_reader_that_is_gone_ends_it_quietly(self, assay: Command, code: str) -> None:
        reader, writer = os.pipe()
        os.close(reader)
        with open(writer, "wb") as output:
            result = subprocess.run(
                [assay.path, "exec", "-e", code],
                env=assay.environment,
                stdout=output,
                stderr=subprocess.PIPE,
                check=False,
            )
        assert (result.stderr, result.returncode) == (b"", 128 + signal.SIGPIPE)

    @pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
    @pytest.mark.parametrize("code", ["print(1)", "print(1) sleep(0)", "for i = 1, 1e5 do print(i) end"])
    def test_output_that_cannot_be_written_is_an_error(self, assay: Command, code: str) -> None:
        with open("/dev/full", "wb") as full:
            result = subprocess.run(
                [assay.path, "exec", "-e", code],
                env=assay.environment,
                stdout=full,
                stderr=subprocess.PIPE,
                text=True,
                check=False,
            )
        assert result.stderr == "assay: cannot write the output: No space left on device\n"
        assert result.returncode == 1

    @pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
    @pytest.mark.parametrize("arguments", [["modules"], ["context", "sleep"], ["types"], ["--help"], ["--version"]])
    def test_every_command_reports_a_full_disk(self, assay: Command, arguments: list[str]) -> None:
        with open("/dev/full", "wb") as full:
            result = subprocess.run(
                [assay.path, *arguments],
                env=assay.environment,
                stdout=full,
                stderr=subprocess.PIPE,
                text=True,
                check=False,
            )
        assert result.stderr == "assay: cannot write the output: No space left on device\n"
        assert result.returncode == 1

    @pytest.mark.parametrize("variables", [{}, {"PYTHONUNBUFFERED": "1"}])
    @pytest.mark.parametrize("before", ["", "sleep(0) "])
    def test_output_keeps_its_order(self, assay: Command, before: str, variables: dict[str, str]) -> None:
        assay.environment |= variables
        command = f"{assay.path} exec -e \"{before}print('out') error('err')\" 2>&1"
        result = subprocess.run(command, shell=True, env=assay.environment, capture_output=True, text=True, check=False)
        assert result.stdout.startswith("out\nassay: (command line):1: err\n")

    def test_a_closed_standard_output_is_no_error(self, assay: Command) -> None:
        result = subprocess.run(
            f"{assay.path} exec -e 'print(1) sleep(0) print(2)' >&-",
            shell=True,
            env=assay.environment,
            capture_output=True,
            check=False,
        )
        assert (result.stderr, result.returncode) == (b"", 0)

    @pytest.mark.parametrize("stderr", ["2>&-", "2>/dev/full"])
    @pytest.mark.parametrize("style", ["text", "json"])
    def test_a_log_line_that_cannot_be_written_does_not_end_the_script(
        self, assay: Command, stderr: str, style: str
    ) -> None:
        assay.environment["ASSAY_LOG"] = style
        code = "for _ = 1, 1000 do log.warn([[w]], { a = 1 }) end print(1)"
        result = subprocess.run(
            f"{assay.path} exec -e '{code}' {stderr}",
            shell=True,
            env=assay.environment,
            capture_output=True,
            check=False,
        )
        assert (result.stdout, result.returncode) == (b"1\n", 0)


def group_is_alive(file: Path) -> bool:
    """Return true if a process group, whose id is in a file, has a process."""
    try:
        os.killpg(int(file.read_text()), 0)
    except ProcessLookupError:
        return False
    return True


class TestSignals:
    @pytest.fixture(autouse=True)
    def _unbuffered(self, assay: Command) -> None:
        assay.environment["PYTHONUNBUFFERED"] = "1"

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    @pytest.mark.parametrize("code", [BUSY, STUCK_IN_C, "print('busy') sleep(600)"])
    def test_without_a_service_a_signal_ends_the_process_at_once(
        self, assay: Command, code: str, number: signal.Signals
    ) -> None:
        with assay.started("exec", "-e", code) as process:
            read_until(process, "busy")
            process.send_signal(number)
            assert process.wait(TIMEOUT) == -number
            assert process.stderr is not None
            assert process.stderr.read() == ""

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    @pytest.mark.parametrize("code", ["print('busy') sleep(0)", BUSY, STUCK_IN_C, "print('busy') sleep(600)"])
    def test_a_signal_drains_a_service(self, assay: Command, code: str, number: signal.Signals) -> None:
        with assay.started("exec", "-e", f"service(0.1) {code}", program=STUB) as process:
            read_until(process, "busy")
            process.send_signal(number)
            assert process.wait(TIMEOUT) == 0
            assert process.stderr is not None
            assert process.stderr.read() == ""

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    @pytest.mark.parametrize("code", ["print('busy') sleep(0)", BUSY])
    def test_a_second_signal_ends_the_drain(self, assay: Command, code: str, number: signal.Signals) -> None:
        with assay.started("exec", "-e", f"service(600) {code}", program=STUB) as process:
            read_until(process, "busy")
            process.send_signal(signal.SIGTERM)
            read_until(process, "asked")  # two signals at the same moment could count as one
            assert process.poll() is None
            process.send_signal(number)
            assert process.wait(TIMEOUT) == 128 + number

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_a_signal_ends_the_command_that_the_script_waits_for(self, assay: Command, number: signal.Signals) -> None:
        code = """
          local function run(name)
            local command = "trap 'echo >stopped; exit 0' TERM; echo $$ >pid; mv pid at; sleep 600 & wait"
            shell.exec(command, { cwd = name })
            fs.write("next", "")
          end
          fs.mkdir("one") fs.mkdir("two")
          async.spawn(run, "one")
          run("two")
        """
        with assay.started("exec", "-e", code) as process:
            files = [assay.folder / name / "at" for name in ("one", "two")]
            wait_for(lambda: all(file.exists() for file in files))
            process.send_signal(number)
            assert process.wait(TIMEOUT) == 128 + number
            assert all(file.with_name("stopped").exists() for file in files)
            assert not (assay.folder / "next").exists()
            wait_for(lambda: not any(group_is_alive(file) for file in files))

    def test_a_second_signal_kills_a_command_that_ignores_the_first(self, assay: Command) -> None:
        code = """shell.exec("trap '' TERM; echo $$ >pid; mv pid ready; sleep 600; sleep 600")"""
        with assay.started("exec", "-e", code) as process:
            ready = assay.folder / "ready"
            wait_for(ready.exists)
            process.send_signal(signal.SIGTERM)
            process.send_signal(signal.SIGINT)
            assert process.wait(TIMEOUT) in (128 + signal.SIGTERM, 128 + signal.SIGINT)
            wait_for(lambda: not group_is_alive(ready))

    def test_a_script_may_speak_after_the_drain(self, assay: Command) -> None:
        code = "service(0) print('busy') sleep(0) while true do sleep(0.01) end"
        with assay.started("exec", "-e", f"pcall(function() {code} end)", program=STUB) as process:
            read_until(process, "busy")
            process.send_signal(signal.SIGTERM)
            assert process.wait(TIMEOUT) == 0


def test_what_a_handler_prints_last_is_written_at_once(assay: Command) -> None:
    code = """
    local function handle() print("handled") return { status = 204 } end
    http.serve(0, { GET = { ["/"] = handle } }, { on_listen = print })
    """
    with assay.started("exec", "-e", code) as process:
        assert process.stdout is not None
        url = f"http://127.0.0.1:{int(process.stdout.readline())}/"
        with urllib.request.urlopen(url, timeout=TIMEOUT) as response:
            assert response.status == 204
        assert process.stdout.readline() == "handled\n"


def test_start_up_imports_few_modules(tmp_path: Path) -> None:
    program = """if True:
        import sys
        before = set(sys.modules)
        import os
        def leave(code):
            added = sorted(set(sys.modules) - before)
            sys.stderr.write(" ".join(added))
            sys.stderr.flush()
            end(code)
        end, os._exit = os._exit, leave
        sys.argv = ["assay", "exec", "-e", "print(1)"]
        import assay.cli
        assay.cli.main()
    """
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=tmp_path)
    added = result.stderr.split()
    assert result.stdout == "1\n"
    assert "assay.lua.host" in added
    assert len(added) <= 60, added
    assert not {"asyncio", "click", "aiohttp", "temporalio", "orjson"} & set(added)
