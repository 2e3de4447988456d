"""`assay debug`: the beginning, the end and the configuration of a session."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import zipfile

import pytest
from lupa.lua55 import LuaRuntime

from assay.debugging import launch
from assay.debugging.launch import Launch
from command import Command
from debug_client import ADDING, RefusedError, debugging, finish, session
from guides import blocks
from terminal import terminal
from timeouts import TIMEOUT

# Launch ---------------------------------------------------------------------------------------------------------


def test_the_program_stops_on_entry(assay: Command) -> None:
    with session(assay, "local a = 1\nprint(a)\n", stopOnEntry=True) as client:
        stop = client.stopped()
        assert (stop["reason"], stop["line"]) == ("entry", 1)
        client.resume(stop)
        assert client.ended() == 0


def test_no_debug_runs_the_program_without_stops(assay: Command) -> None:
    with session(assay, ADDING, 8, noDebug=True) as client:
        assert client.ended() == 0
        assert client.outputs("stdout") == "total\t6\n"


def test_a_launch_sets_arguments_environment_and_folder(assay: Command) -> None:
    text = "print(arg[1], env.get('COLOR'), fs.exists('here'))\n"
    (assay.folder / "sub").mkdir()
    (assay.folder / "sub" / "here").touch()
    options = {"args": ["one"], "env": {"COLOR": "red"}, "cwd": str(assay.folder / "sub")}
    with session(assay, text, **options) as client:
        assert client.ended() == 0
        assert client.outputs("stdout") == "one\tred\ttrue\n"


def test_the_exit_code_of_the_program_is_reported(assay: Command) -> None:
    with session(assay, "os.exit(3)\n") as client:
        assert client.ended() == 3


def test_a_launch_with_an_unknown_option_is_refused(assay: Command) -> None:
    with debugging(assay) as client:
        client.request("initialize")
        with pytest.raises(RefusedError, match="unknown launch option 'stopOnEntri' \\(did you mean 'stopOnEntry'"):
            client.request("launch", program="x.lua", stopOnEntri=True)


def test_a_launch_of_a_missing_script_is_refused(assay: Command) -> None:
    with debugging(assay) as client:
        number = client.launch(program="nowhere.lua")
        with pytest.raises(RefusedError, match=r"cannot read nowhere\.lua: No such file or directory"):
            client.answer(number)


def test_an_editor_may_count_lines_from_zero(assay: Command) -> None:
    path = str(assay.folder / assay.script(ADDING))
    with debugging(assay) as client:
        client.request("initialize", linesStartAt1=False, columnsStartAt1=False)
        client.send("launch", program=path)
        assert client.set_breakpoints(path, 0, 7) == [
            {"id": 1, "verified": True, "line": 1},
            {"id": 2, "verified": True, "line": 7},
        ]
        client.request("configurationDone")
        stop = client.stopped()
        assert (stop["frames"][0]["line"], stop["frames"][0]["column"]) == (7, 0)
        assert finish(client, stop) == 0


# The end --------------------------------------------------------------------------------------------------------


def test_the_adapter_ends_with_the_editor(assay: Command) -> None:
    with session(assay, "while true do end\n", stopOnEntry=True) as client:
        client.resume(client.stopped())
        client.request("disconnect")
        assert client.process.wait(TIMEOUT) == 0


def test_a_malformed_message_ends_the_adapter(assay: Command) -> None:
    with debugging(assay) as client:
        assert client.process.stdin is not None
        client.process.stdin.write(b"hello\r\n\r\n")
        client.process.stdin.flush()
        assert "expected a header" in client.event("output")["output"]
        client.process.wait(TIMEOUT)


def test_on_a_terminal_the_command_says_that_an_editor_starts_it(assay: Command) -> None:
    with terminal(assay, "debug") as screen:
        assert screen.wait() == 2
        assert "this command is started by an editor: see 'assay context debugging'" in screen.shown.replace("\n", "")


# Configurations -------------------------------------------------------------------------------------------------


def test_a_new_project_has_launch_configurations(assay: Command) -> None:
    assert assay.run("new", "shop").returncode == 0
    folder = str(assay.folder / "shop")
    text = (assay.folder / "shop" / ".vscode" / "launch.json").read_text().replace("${workspaceFolder}", folder)
    script, from_server, from_file = json.loads(text)["configurations"]
    assert (from_server["workflowId"], from_file["history"]) == ("${input:workflowId}", "${input:history}")
    with debugging(assay) as client:
        program = script["program"].replace("${file}", os.path.join(folder, "start.lua"))
        client.launch(**script | {"program": program, "stopOnEntry": True})
        assert client.stopped()["frames"][0]["source"]["path"] == program


def test_the_extension_for_vscode_starts_this_adapter(assay: Command) -> None:
    result = assay.run("debug", "--vscode", "assay.vsix")
    assert (result.returncode, result.stderr) == (0, "")
    assert "code --install-extension assay.vsix" in result.stdout
    with zipfile.ZipFile(assay.folder / "assay.vsix") as file:
        assert "extension.vsixmanifest" in file.namelist()
        [debugger] = json.loads(file.read("extension/package.json"))["contributes"]["debuggers"]
    assert [debugger["runtime"], *debugger["runtimeArgs"]] == [assay.path, "debug"]
    options = debugger["configurationAttributes"]["launch"]["properties"]
    known = {re.sub(r"_(\w)", lambda found: found[1].upper(), item.name) for item in dataclasses.fields(Launch)}
    assert set(options) == known - {"noDebug"}


def test_the_configurations_in_the_guide_are_valid() -> None:
    replay, several = map(json.loads, blocks("docs/debugging.md", "json"))
    for configuration in [replay, *several["configurations"]]:
        assert launch.read(configuration).program
    [code] = blocks("docs/debugging.md", "lua no-run")
    names = re.findall(r"(\w+) = ", code.partition("configurations.lua")[2])
    assert launch.read(dict.fromkeys(names, "x")).workflow_id == "x"
    LuaRuntime().compile(code)
