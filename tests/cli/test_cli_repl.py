"""`assay repl`: on a terminal and through a pipe."""

from __future__ import annotations

import os
import signal
import subprocess

import pytest

from command import Command
from terminal import terminal
from timeouts import TIMEOUT


def pipe(assay: Command, text: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return assay.run("repl", *arguments, input=text)


class TestPiped:
    def test_values_are_printed(self, assay: Command) -> None:
        result = pipe(assay, '1 + 1\n"a\\n", nil, 1.5\n{1, {b = "c"}, ["d e"] = {}}\nnil\nx = 3\nx\nprint("p")\n')
        expected = '2\n"a\\n"\tnil\t1.5\n{1, {b = "c"}, ["d e"] = {}}\nnil\n3\np\n'
        assert (result.stdout, result.stderr, result.returncode) == (expected, "", 0)

    def test_builtins_cycles_and_large_tables(self, assay: Command) -> None:
        text = "t = {} t.t = t\nt\njson, json.encode, json.null\nr = {} for i = 1, 300 do r[i] = i end\nr\n"
        result = pipe(assay, text)
        lines = result.stdout.splitlines()
        assert lines[:2] == ["{t = (itself)}", "(json)\t(function json.encode)\tnull"]
        assert lines[-2:] == ["  … and 200 more,", "}"]
        assert len(lines) == 2 + 1 + 100 + 1 + 1

    def test_code_continues_until_it_is_complete(self, assay: Command) -> None:
        result = pipe(assay, "for i = 1, 2 do\n  print(i)\nend\nfunction f(a,\n  b)\n  return a + b\nend\nf(1,\n2)")
        assert (result.stdout, result.stderr, result.returncode) == ("1\n2\n3\n", "", 0)

    def test_an_unclosed_string_is_an_error_at_once(self, assay: Command) -> None:
        result = pipe(assay, "'abc\nprint('after')\n")
        assert result.stdout == "after\n"
        assert "unfinished string near ''abc'" in result.stderr

    def test_it_waits_as_scripts_do(self, assay: Command) -> None:
        text = "t = async.spawn(function() sleep(0.01) return 7 end)\nt:await()\n(require('helper'))\n"
        assay.script("return { found = true }", "helper.lua")
        result = pipe(assay, text)
        assert result.stdout == "{7}\n{found = true}\n"
        assert (result.stderr, result.returncode) == ("", 0)

    def test_errors_are_printed_and_the_rest_runs(self, assay: Command) -> None:
        result = pipe(assay, "error('boom')\nx y\n(nil)()\nprint('after')\nhttp.get()\n1 +")
        assert result.stdout == "after\n"
        errors = [line for line in result.stderr.splitlines() if line.startswith("assay: ")]
        assert errors[0] == "assay: (repl):1: boom"
        assert errors[1] == "assay: (repl):1: syntax error near 'y'"
        assert errors[2].startswith("assay: (repl):1: attempt to call a nil value")
        assert errors[3] == "assay: (repl):1: http.get: bad argument 'url' (string expected, got nil)"
        assert errors[4].endswith("near <eof>")
        assert "Traceback" not in result.stderr
        assert result.returncode == 1

    def test_os_exit_leaves(self, assay: Command) -> None:
        result = pipe(assay, "print(1)\nos.exit(3)\nprint(2)\n")
        assert (result.stdout, result.stderr, result.returncode) == ("1\n", "", 3)

    @pytest.mark.parametrize("word", ["exit", "exit()", "quit"])
    def test_a_word_leaves(self, assay: Command, word: str) -> None:
        result = pipe(assay, f"print(1)\n{word}\nprint(2)\n")
        assert (result.stdout, result.stderr, result.returncode) == ("1\n", "", 0)

    def test_help(self, assay: Command) -> None:
        result = pipe(assay, "help\n1\n")
        assert "leave, like Ctrl-D" in result.stdout
        assert (result.stdout.splitlines()[-1], result.stderr, result.returncode) == ("1", "", 0)

    def test_a_variable_of_the_name_of_a_command_is_a_variable(self, assay: Command) -> None:
        result = pipe(assay, "help = 5\nhelp\nfunction exit() return 6 end\nexit()\n")
        assert (result.stdout, result.stderr, result.returncode) == ("5\n6\n", "", 0)

    def test_connect(self, assay: Command, temporal_server: str) -> None:
        result = pipe(assay, "client\n", "--connect", "--address", temporal_server)
        assert (result.stdout, result.stderr, result.returncode) == ("temporal.Client\n", "", 0)

    def test_no_server(self, assay: Command) -> None:
        result = pipe(assay, "print(1)\n", "--connect", "--address", "127.0.0.1:1")
        assert "cannot connect to the Temporal server at 127.0.0.1:1" in result.stderr
        assert (result.stdout, result.returncode) == ("", 1)

    @pytest.mark.parametrize("code", ["sleep(600)", "while true do end"])
    def test_ctrl_c_ends_the_running_code(self, assay: Command, code: str) -> None:
        process = subprocess.Popen(
            [assay.path, "repl"],
            cwd=assay.folder,
            env=assay.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(f"print('begun') {code}\n")
            process.stdin.flush()
            assert process.stdout.readline() == "begun\n"
            process.send_signal(signal.SIGINT)
            output, errors = process.communicate("print('after')\n", timeout=TIMEOUT)
            assert output == "after\n"
            assert "interrupted" in errors
            assert process.returncode == 1
        finally:
            process.kill()
            process.communicate()


class TestTerminal:
    def test_pasted_code_may_end_with_an_expression(self, assay: Command) -> None:
        with terminal(assay, "repl") as screen:
            screen.read_until(">")
            screen.type("\x1b[200~local x = 5\nlocal function f()\n  return x\nend\nf(\n) + 1\x1b[201~\r")
            screen.read_until("6")
            screen.read_until(">")
            screen.type("\x1b[200~for i = 1, 2 do\nprint('turn', i)\x1b[201~\r")
            screen.type("end\r")
            screen.read_until("turn\t2")
            screen.read_until(">")
            screen.type("\x04")
            assert screen.wait() == 0

    def test_methods_of_the_client_and_of_texts_are_completed(self, assay: Command, temporal_server: str) -> None:
        with terminal(assay, "repl", "--connect", "--address", temporal_server) as screen:
            screen.read_until(">")
            screen.type("client:count_work\t")
            screen.read_until("flows")
            screen.type("({})\r")
            screen.read_until("\tnil")
            screen.read_until(">")
            screen.type("'=' .. ('ab'):rev\t")
            screen.read_until("erse")
            screen.type("()\r")
            screen.read_until('"=ba"')
            screen.read_until(">")
            screen.type("client.schedules:trig\t")
            screen.read_until("ger")
            screen.type("\x03")
            screen.read_until(">")
            # The expected output does not occur in the typed lines.
            screen.type("t = {['a b'] = 1, ['only' .. '_one'] = 20 + 2} print('rea' .. 'dy')\r")
            screen.read_until("ready")
            screen.read_until(">")
            screen.type("t.\t")
            screen.read_until("only_one")
            screen.type("\r")
            screen.read_until("22")
            screen.read_until(">")
            screen.type("\x04")
            assert screen.wait() == 0

    def test_the_history_is_for_its_owner_only(self, assay: Command) -> None:
        assay.environment["XDG_STATE_HOME"] = str(assay.folder)
        with terminal(assay, "repl") as screen:
            screen.read_until(">")
            screen.type("\x04")
            assert screen.wait() == 0
        assert (assay.folder / "assay" / "history").stat().st_mode & 0o777 == 0o600

    def test_a_session(self, assay: Command) -> None:
        assay.environment["XDG_STATE_HOME"] = str(assay.folder / "state")
        with terminal(assay, "repl") as screen:
            before = screen.modes()
            screen.read_until("or Ctrl-D to leave.")
            screen.read_until(">")
            screen.type("6 * 7\r")
            screen.read_until("42")
            screen.read_until(">")
            screen.type("for i = 8, 9 do\rprint('line', i) end\r")
            screen.read_until("line\t9")
            screen.read_until(">")
            screen.type("half a li\x03")
            screen.read_until(">")
            screen.type("js\t")
            screen.read_until("on")  # input and completion may be drawn separately; the history contains the whole word
            screen.type(".enc\t")
            screen.read_until("ode")
            screen.type("('x')\r")
            screen.read_until('"\\"x\\""')
            screen.read_until(">")
            screen.type("print('be' .. 'gun') while true do end\r")
            screen.read_until("begun")
            screen.type("\x03")
            screen.read_until("interrupted")
            screen.read_until(">")
            screen.type("print('be' .. 'gun 2') sleep(600)\r")
            screen.read_until("begun 2")
            screen.type("\x03")
            screen.read_until("interrupted")
            screen.read_until(">")
            screen.type("\x04")
            assert screen.wait() == 0
            assert screen.modes() == before
        history = (assay.folder / "state" / "assay" / "history").read_text(encoding="utf-8")
        assert "+6 * 7\n" in history
        assert "+json.encode('x')\n" in history

    def test_an_unwritable_home_is_ignored(self, assay: Command) -> None:
        assay.script("", "file")
        assay.environment["XDG_STATE_HOME"] = os.path.join(assay.folder, "file")
        with terminal(assay, "repl") as screen:
            screen.read_until(">")
            screen.type("os.exit(5)\r")
            assert screen.wait() == 5
