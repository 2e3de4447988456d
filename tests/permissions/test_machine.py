"""Attacks on the permissions to run programs and to read variables, with the real command."""

from __future__ import annotations

from pathlib import Path

import pytest

from command import Command
from sandbox_attempts import attempt

RUN = "local r = shell.exec([==[{}]==]); return (r.stdout:gsub('\\n$', ''))"


class TestPrograms:
    @pytest.mark.parametrize(
        ("command", "output"),
        [
            ("echo hello", "hello"),
            ("  echo 'two words' \"and three\" ", "two words and three"),
            ("/bin/echo x=1", "x=1"),
            ("echo '$HOME `ls` ; *'", "$HOME `ls` ; *"),
        ],
    )
    def test_a_plain_command_runs(self, assay: Command, command: str, output: str) -> None:
        assay.environment["PATH"] = "/bin:/usr/bin"
        assert attempt(assay, RUN.format(command), "--allow-run=echo")[:2] == ("allowed", output)

    @pytest.mark.parametrize(
        "command",
        [
            "id",
            "/usr/bin/id",
            "echo x; id",
            "echo x && id",
            "echo x | id",
            "echo $(id)",
            "echo `id`",
            'echo "$(id)"',
            "echo x > stolen",
            "echo x\nid",
            "echo * ~ [a-z]",
            "X=1 echo x",
            "echo \\\nid",
            "(id)",
            "! id",
            "echo x # y",
            "exec id",
            ". ./x",
            "./echo",
            "sub/echo",
            "echo\tx &",
        ],
    )
    def test_everything_else_is_refused(self, assay: Command, command: str) -> None:
        for path in (assay.folder / "echo", assay.folder / "sub" / "echo"):
            path.parent.mkdir(exist_ok=True)
            path.symlink_to("/usr/bin/id")
        found = attempt(assay, RUN.format(command), "--allow-run=echo", "--allow-read", "--allow-write")
        assert (found.kind, found.flag[:12]) == ("denied", "--allow-run=")
        assert not (assay.folder / "stolen").exists()

    def test_a_program_in_another_folder_is_another(self, assay: Command) -> None:
        (assay.folder / "echo").symlink_to("/usr/bin/id")
        code = 'return shell.exec("./echo x", {cwd = "."}).stdout'
        assert attempt(assay, code, "--allow-run=echo", "--allow-read").kind == "denied"
        assert attempt(assay, code, "--allow-run=./echo", "--allow-read").kind == "allowed"

    def test_a_program_that_is_a_link_stands_for_itself_only(self, assay: Command) -> None:
        tools = assay.folder / "tools"
        tools.mkdir()
        (tools / "one").symlink_to("/bin/echo")
        (tools / "two").symlink_to("/bin/echo")
        assay.environment["PATH"] = f"{tools}:/bin:/usr/bin"
        assert attempt(assay, RUN.format("one x"), "--allow-run=one").kind == "allowed"
        assert attempt(assay, RUN.format("two x"), "--allow-run=one").kind == "denied"

    def test_the_shell_is_named_like_any_program(self, assay: Command) -> None:
        assert attempt(assay, RUN.format("echo x | cat"), "--allow-run=sh")[:2] == ("allowed", "x")
        assert attempt(assay, RUN.format("echo x | cat"), "--allow-run")[:2] == ("allowed", "x")

    def test_a_script_cannot_move_the_search_for_programs(self, assay: Command) -> None:
        (assay.folder / "echo").symlink_to("/usr/bin/id")
        code = f'env.set("PATH", "{assay.folder}"); return #shell.exec("echo x").stdout'
        assert attempt(assay, code, "--allow-run=echo", "--allow-env")[:2] == ("denied", "--allow-env=PATH")
        assert attempt(assay, code, "--allow-run=echo", "--allow-env=PATH")[:2] == ("allowed", "2")

    @pytest.mark.parametrize("name", ["LD_PRELOAD", "LD_LIBRARY_PATH", "DYLD_INSERT_LIBRARIES"])
    def test_no_library_is_loaded_into_a_program(self, assay: Command, name: str) -> None:
        code = f'return shell.exec("echo x", {{env = {{{name} = "./evil.so"}}}}).stdout'
        assert attempt(assay, code, "--allow-run=echo")[:2] == ("denied", "--allow-run")

    @pytest.mark.parametrize(
        "code", ["process.list()", 'process.is_running("x")', "process.kill(1, 0)", 'process.wait_idle("x")']
    )
    def test_processes_need_the_whole_right(self, assay: Command, code: str) -> None:
        assert attempt(assay, code, "--allow-run=echo")[:2] == ("denied", "--allow-run")
        assert attempt(assay, code, "--allow-run").kind != "denied"


class TestVariables:
    @pytest.mark.parametrize("reader", ["os.getenv", "env.get"])
    def test_only_what_is_named_is_read(self, assay: Command, reader: str) -> None:
        assay.environment |= {"SECRET": "s", "MY_ONE": "1", "MY_TWO": "2", "OTHER": "o"}
        grant = "--allow-env=OTHER,MY_*"
        assert attempt(assay, f'return {reader}("OTHER") .. {reader}("MY_ONE")', grant)[:2] == ("allowed", "o1")
        assert attempt(assay, f'return {reader}("SECRET")', grant)[:2] == ("denied", "--allow-env=SECRET")
        assert attempt(assay, f'return {reader}("MY")', grant).kind == "denied"
        assert attempt(assay, f'return {reader}("SECRET")', "--allow-env")[:2] == ("allowed", "s")

    def test_all_of_them_need_the_whole_right(self, assay: Command) -> None:
        assert attempt(assay, "return #env.list() > 0", "--allow-env=HOME")[:2] == ("denied", "--allow-env")
        assert attempt(assay, "return #env.list() > 0", "--allow-env")[:2] == ("allowed", "true")

    @pytest.mark.parametrize("way", ['os["getenv"]', "package.loaded.os.getenv", "require('os').getenv"])
    def test_lua_has_no_other_way_to_them(self, assay: Command, way: str) -> None:
        assert attempt(assay, f'return ({way})("HOME")').kind == "denied"

    @pytest.mark.parametrize(
        "name", ["HTTPS_PROXY", "TEMPORAL_ADDRESS", "OTEL_EXPORTER_OTLP_ENDPOINT", "SSL_CERT_FILE", "PGHOST", "TMPDIR"]
    )
    def test_variables_that_control_the_process_must_be_named(self, assay: Command, name: str) -> None:
        code = f'env.set("{name}", "x"); return env.get("{name}")'
        assert attempt(assay, code, "--allow-env")[:2] == ("denied", f"--allow-env={name}")
        assert attempt(assay, code, f"--allow-env={name}")[:2] == ("allowed", "x")


class TestTempdir:
    def test_it_is_made_where_writing_is_allowed(self, assay: Command, tmp_path: Path) -> None:
        assay.environment["TMPDIR"] = str(tmp_path)
        assert attempt(assay, "return fs.tempdir()", "--allow-write=.").kind == "allowed"
        assert attempt(assay, "return fs.tempdir()", "--allow-write=/usr").kind == "denied"
