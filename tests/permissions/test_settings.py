"""The sources of a policy (command line, `assay.toml`, `assay.Runtime`) and the commands that apply it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import assay as package
from assay.errors import AssayError
from assay.permissions.settings import SandboxOptions, permissions
from command import Command

READ = 'print(pcall(fs.read, "file.txt"))'
DENIED = "false\tfs.read: reading file.txt is not allowed; --allow-read=file.txt would allow it\n"
WORKER = """
local ok, problem = pcall(fs.read, "file.txt")
temporal.worker({ task_queue = "q", workflows = { [ok and "Free" or problem.kind] = function() end } })
"""


@pytest.fixture
def file(assay: Command) -> Path:
    """A file in the folder of the script that reads it."""
    assay.script(READ)
    path = assay.folder / "file.txt"
    path.write_text("text")
    return path


@pytest.mark.usefixtures("file")
class TestCommandLine:
    @pytest.mark.parametrize(
        ("arguments", "output"),
        [
            (["script.lua"], "true\ttext\n"),
            (["run", "script.lua"], "true\ttext\n"),
            (["run", "--sandbox", "script.lua"], DENIED),
            (["--sandbox", "script.lua"], DENIED),
            (["--allow-net", "script.lua"], DENIED),
            (["run", "--allow-net", "script.lua"], DENIED),
            (["run", "--allow-read", "script.lua"], "true\ttext\n"),
            (["run", "--allow-read=file.txt", "script.lua"], "true\ttext\n"),
            (["run", "--allow-read=other,file.txt", "script.lua"], "true\ttext\n"),
            (["run", "--allow-read=other", "--allow-read=file.txt", "script.lua"], "true\ttext\n"),
            (["run", "--allow-read=other", "script.lua", "--allow-read"], DENIED),
            (["run", "--verbose", "--allow-read", "script.lua"], "true\ttext\n"),
            (["exec", "-e", READ, "--sandbox"], DENIED),
            (["exec", "-e", READ, "x", "--sandbox"], "true\ttext\n"),
            (["exec", "--sandbox", "-e", READ], DENIED),
            (["exec", "-e", READ], "true\ttext\n"),
        ],
    )
    def test_options_say_what_a_script_may_do(self, assay: Command, arguments: list[str], output: str) -> None:
        result = assay.run(*arguments)
        assert (result.stdout, result.stderr, result.returncode) == (output, "", 0)

    def test_the_script_gets_its_own_arguments(self, assay: Command) -> None:
        assay.script("print(...)")
        result = assay.run("run", "--allow-net", "script.lua", "--allow-net", "--sandbox", "x")
        assert result.stdout == "--allow-net\t--sandbox\tx\n"

    @pytest.mark.parametrize(
        ("option", "problem"),
        [
            ("--allow-net=https://x", "'https://x': the port must be a number up to 65535"),
            ("--allow-net=a/b", "'a/b': host, host:port, *.domain, an address or a network"),
            ("--allow-net=a:99999", "the port must be a number up to 65535"),
            ("--allow-read=", "--allow-read: expected comma-separated names after '='"),
            ("--permissions=nowhere.toml", "cannot read nowhere.toml: No such file or directory"),
        ],
    )
    def test_a_policy_that_is_none_runs_nothing(self, assay: Command, option: str, problem: str) -> None:
        result = assay.run("run", option, "script.lua")
        assert problem in result.stderr
        assert (result.stdout, result.returncode) == ("", 1)


@pytest.mark.usefixtures("file")
class TestFile:
    def _write(self, assay: Command, text: str, name: str = "assay.toml") -> None:
        (assay.folder / name).write_text(text)

    def test_a_table_beside_the_script_holds_without_options(self, assay: Command) -> None:
        self._write(assay, "[permissions]\n")
        assert assay.run("script.lua").stdout == DENIED
        self._write(assay, '[permissions]\nread = ["file.txt"]\n')
        assert assay.run("script.lua").stdout == "true\ttext\n"
        self._write(assay, "[permissions]\nread = true\n")
        assert assay.run("run", "--sandbox", "script.lua").stdout == "true\ttext\n"

    def test_a_file_without_the_table_changes_nothing(self, assay: Command) -> None:
        self._write(assay, "[other]\n")
        assert assay.run("script.lua").stdout == "true\ttext\n"
        assert assay.run("run", "--sandbox", "script.lua").stdout == DENIED

    def test_options_add_to_it(self, assay: Command) -> None:
        self._write(assay, '[permissions]\nread = ["other"]\n')
        assert assay.run("run", "--allow-read=file.txt", "script.lua").stdout == "true\ttext\n"
        assert assay.run("run", "--allow-net", "script.lua").stdout == DENIED

    def test_its_paths_are_seen_from_its_folder(self, assay: Command) -> None:
        self._write(assay, '[permissions]\nread = ["file.txt"]\n')
        inner = assay.folder / "inner"
        inner.mkdir()
        other = Command(inner)
        assert other.run("run", "../script.lua").stdout == DENIED
        other.script('print(pcall(fs.read, "../file.txt"))', "../script.lua")
        assert other.run("run", "../script.lua").stdout == "true\ttext\n"

    def test_another_file_takes_its_place(self, assay: Command) -> None:
        self._write(assay, "[permissions]\nread = true\n")
        self._write(assay, "[permissions]\n", "strict.toml")
        assert assay.run("run", "--permissions=strict.toml", "script.lua").stdout == DENIED
        assert assay.run("run", "--permissions", "strict.toml", "script.lua").stdout == DENIED
        assert assay.run("run", "--permissions=/dev/null", "script.lua").stdout == DENIED

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            ("permissions = 1", "'permissions' must be a table"),
            ("[permissions]\nnets = true", "unknown permission 'nets' (known: net, read,"),
            ("[permissions]\nnet = 1", "permissions.net must be true, false or an array of non-empty strings"),
            ('[permissions]\nnet = "a"', "permissions.net must be true, false or an array"),
            ('[permissions]\nnet = [""]', "permissions.net must be true, false or an array"),
            ("[permissions", "assay.toml: "),
            ('[permissions]\ndb = ["a/b/c"]', "'a/b/c': host, host:port"),
        ],
    )
    def test_a_table_that_is_none_runs_nothing(self, assay: Command, text: str, problem: str) -> None:
        self._write(assay, text)
        result = assay.run("script.lua")
        assert problem in result.stderr
        assert "Traceback" not in result.stderr
        assert (result.stdout, result.returncode) == ("", 1)

    def test_options_survive_the_way_to_another_process(self) -> None:
        given = SandboxOptions(True, {"net": ["a:1,b", "*"], "read": ["x y"]}, "f.toml")
        assert SandboxOptions.from_options([*given.options(), "a.lua", "--sandbox"]) == (given, ["a.lua", "--sandbox"])

    def test_nothing_asked_and_no_file_restricts_nothing(self, tmp_path: Path) -> None:
        assert not permissions(None, str(tmp_path)).restricts
        with pytest.raises(AssayError, match="cannot read"):
            permissions(SandboxOptions(file=str(tmp_path / "none")), str(tmp_path))


@pytest.mark.usefixtures("file")
class TestCommands:
    def test_repl(self, assay: Command) -> None:
        code = 'print((select(2, pcall(fs.read, "file.txt"))))\n'
        assert "is not allowed" in assay.run("repl", "--sandbox", input=code).stdout
        assert assay.run("repl", "--allow-read", input=code).stdout.startswith("text")

    def test_check(self, assay: Command) -> None:
        assay.script(WORKER, "worker.lua")
        assert "workflows Free" in assay.run("check", "worker.lua").stdout
        assert "workflows denied" in assay.run("check", "--sandbox", "worker.lua").stdout
        assert "workflows Free" in assay.run("check", "--allow-read", "worker.lua").stdout

    def test_test(self, assay: Command) -> None:
        assay.script('test("reads", function() assert.eq(fs.read("file.txt"), "text") end)', "a_test.lua")
        assert assay.run("test").returncode == 0
        refused = assay.run("test", "--sandbox")
        assert (refused.returncode, "reading file.txt is not allowed" in refused.stdout) == (1, True)
        assert assay.run("test", "--allow-read=file.txt", ".").returncode == 0
        (assay.folder / "assay.toml").write_text("[permissions]\nenv = true\n")
        assert assay.run("test").returncode == 1

    def test_replay(self, assay: Command) -> None:
        assay.script("fs.read('file.txt')\n" + WORKER, "worker.lua")
        history = Path(__file__).parent.parent / "histories"
        some = next(history.rglob("*.json"))
        result = assay.run("replay", "--sandbox", "worker.lua", str(some))
        assert "reading file.txt is not allowed" in result.stderr
        assert result.returncode == 2

    def test_workflow_show(self, assay: Command) -> None:
        assay.script("fs.read('file.txt')\n" + WORKER, "worker.lua")
        some = next((Path(__file__).parent.parent / "histories").rglob("*.json"))
        result = assay.run("workflow", "show", "--sandbox", str(some), "worker.lua")
        assert "reading file.txt is not allowed" in result.stderr
        assert result.returncode == 1

    @pytest.mark.parametrize(
        "arguments", [("workflow", "start", "Free", "worker.lua"), ("codec-server", "worker.lua")], ids=" ".join
    )
    def test_commands_with_the_connection_of_a_script(self, assay: Command, arguments: tuple[str, ...]) -> None:
        assay.script("fs.read('file.txt')\n" + WORKER, "worker.lua")
        result = assay.run(*arguments, "--sandbox")
        assert "reading file.txt is not allowed" in result.stderr
        assert result.returncode != 0

    def test_the_connection_of_a_script_leads_nowhere_else(self, assay: Command) -> None:
        assay.script('temporal.connect({ url = "127.0.0.1:1" })', "client.lua")
        result = assay.run("workflow", "list", "--sandbox", "client.lua")
        assert "connecting to 127.0.0.1:1 is not allowed" in result.stderr

    def test_dev(self, assay: Command) -> None:
        assay.environment["TEMPORAL_ADDRESS"] = "127.0.0.1:1"
        assert assay.run("dev", "--sandbox", "script.lua").stdout == DENIED
        assert assay.run("dev", "--allow-read", "--plain", "script.lua").stdout == "true\ttext\n"

    def test_probe(self, assay: Command) -> None:
        assay.script("fs.read('file.txt')\n" + WORKER, "worker.lua")
        program = ("-m", "assay.cli.reloading.probe", "")
        with assay.started("--sandbox", "worker.lua", program=program) as process:
            output, _ = process.communicate()
        assert "reading file.txt is not allowed" in output

    def test_watched(self, assay: Command) -> None:
        with assay.started("2", "", "--sandbox", "script.lua", program=("-m", "assay.cli.dev.watched")) as process:
            output, _ = process.communicate()
        assert output == DENIED


class TestRuntime:
    async def test_without_permissions_everything_is_allowed(self, tmp_path: Path) -> None:
        (tmp_path / "file.txt").write_text("text")
        async with package.Runtime() as lua:
            assert await lua.run("return fs.read(...)", str(tmp_path / "file.txt")) == "text"

    async def test_a_policy_holds_in_calls_and_in_what_they_spawn(self, tmp_path: Path) -> None:
        (tmp_path / "file.txt").write_text("text")
        allowed = package.Permissions(read=[str(tmp_path)])
        code = "local t = async.spawn(function(p) return fs.read(p) end, ...); return t:await()[1]"
        async with package.Runtime(permissions=allowed) as lua:
            assert await lua.run(code, str(tmp_path / "file.txt")) == "text"
            with pytest.raises(package.LuaError) as caught:
                await lua.run(code, "/etc/hostname")
        assert caught.value.value["kind"] == "denied"

    async def test_two_runtimes_have_two_policies(self, tmp_path: Path) -> None:
        (tmp_path / "file.txt").write_text("text")
        strict = package.Permissions()
        async with package.Runtime(permissions=strict) as one, package.Runtime() as other:
            with pytest.raises(package.LuaError, match="is not allowed"):
                await one.run("return fs.read(...)", str(tmp_path / "file.txt"))
            assert await other.run("return fs.read(...)", str(tmp_path / "file.txt")) == "text"

    @pytest.mark.parametrize("given", ["host", [1], [""], [None]])
    def test_an_invalid_list_of_names_is_refused(self, given: object) -> None:
        with pytest.raises(ValueError, match="expected"):
            package.Permissions(net=given)  # type: ignore[arg-type]

    async def test_a_refusal_is_plain_data(self) -> None:
        async with package.Runtime(permissions=package.Permissions()) as lua:
            with pytest.raises(package.LuaError) as caught:
                await lua.run('http.get("http://a.example")')
        assert json.loads(json.dumps(caught.value.value)) == {
            "kind": "denied",
            "flag": "--allow-net=a.example:80",
            "message": "http.get: connecting to a.example:80 is not allowed; --allow-net=a.example:80 would allow it",
        }
