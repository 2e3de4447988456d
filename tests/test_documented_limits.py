"""The limits in docs/determinism.md are those of the code."""

from __future__ import annotations

import re

from assay.builtins import crypto
from assay.builtins.db.options import ConnectOptions
from assay.builtins.http.options import ServeOptions
from assay.builtins.http.response_body import MAX_BODY
from assay.builtins.http.transport import TIMEOUT
from assay.builtins.template import source
from assay.builtins.ws.options import ConnectOptions as WebSocketOptions
from assay.builtins.yaml import reader
from assay.temporal.data import payloads
from assay.temporal.workflow.ctx import activities
from assay.temporal.workflow.sandbox import output
from assay.temporal.workflow.sandbox.limits import WorkflowLimits
from command import Command
from guides import ROOT, section

SANDBOX = "temporal/workflow/sandbox"


def rows(heading: str) -> dict[str, str]:
    """The default of each limit in a table of the guide."""
    table = section("docs/determinism.md", heading)
    assert table is not None
    cells = [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("| ")]
    return {name: default for name, default, *_ in cells[2:]}


def constant(file: str, pattern: str) -> str:
    """A number of a source file, with commas."""
    found = re.search(pattern, (ROOT / "src" / "assay" / file).read_text("utf-8"))
    assert found is not None, (file, pattern)
    return f"{float(found[1]):,.0f}"


def mib(size: float) -> str:
    return f"{size / (1 << 20):g} MiB"


def test_the_limits_of_a_run() -> None:
    limits = WorkflowLimits()
    most = constant("temporal/worker/options.py", r"limits\.cpu_seconds <= (\d+)")
    assert rows("Limits of a run") == {
        "CPU time of one workflow task (`workflow_limits.cpu_seconds`)": f"{limits.cpu_seconds:g} s, at most {most} s",
        "memory of a run (`workflow_limits.memory_mb`)": f"{limits.memory_mb:g} MiB",
        "depth of calls": "Lua's own",
        "output of `log` and `print`": f"{output.MAX_LINES:,} lines or {mib(output.MAX_BYTES)} per second",
        "a pattern (`string.find`, …)": constant(f"{SANDBOX}/patterns.lua", r"MAX_PATTERN = (\S+)") + " bytes",
        "results of `table.unpack`": constant(f"{SANDBOX}/pieces.lua", r"MAX_UNPACKED = (\S+)"),
        "elements of `table.move`": constant(f"{SANDBOX}/pieces.lua", r"MAX_MOVED = (\S+)"),
        "a format of `string.pack` or `string.unpack`": constant(f"{SANDBOX}/pieces.lua", r"MAX_FORMAT = (\S+)")
        + " bytes",
        "a format of `os.date`": constant(f"{SANDBOX}/clock.lua", r"MAX_FORMAT = (\S+)") + " bytes",
    }


def test_the_limits_of_the_server() -> None:
    """Only those that assay checks itself."""
    found = rows("Limits of the server")
    assert found["one payload (input, result, signal, …)"] == mib(payloads.USUAL_LIMIT)
    assert found["all commands of one workflow task"] == mib(payloads._MESSAGE_LIMIT)


def test_the_limits_of_builtins() -> None:
    serve = ServeOptions()
    assert rows("Limits of builtins") == {
        "body of an HTTP response": mib(MAX_BODY),
        "an HTTP request in total": f"{TIMEOUT:g} s",
        "body of a request to `http.serve`": mib(serve.max_body),
        "a WebSocket message": mib(WebSocketOptions().max_message),
        "a database statement": f"{ConnectOptions().timeout:g} s",
        "an activity attempt": f"{activities.DEFAULT_TIMEOUT:g} s",
        "nesting in templates": f"149 blocks, {source.MAX_DEPTH} operators",
        "nesting of JSON": constant("lua/host/wire.lua", r"MAX_DEPTH = (\d+)") + " levels",
        "nesting of YAML": f"{reader.MAX_DEPTH} levels",
        "bytes of one `crypto.random`": mib(crypto._MAX_RANDOM),
    }
    assert serve.max_message == WebSocketOptions().max_message


def test_the_blocks_of_a_template(assay: Command) -> None:
    """Their limit is the engine's."""
    script = """
      local function nested(n) return ("{% if true %}"):rep(n) .. "x" .. ("{% endif %}"):rep(n) end
      print(pcall(template.render_string, nested(149)))
      print((pcall(template.render_string, nested(150))))
    """
    assert assay.run(assay.script(script)).stdout == "true\tx\nfalse\n"
