"""The limits in docs/determinism.md are those of the code."""

from __future__ import annotations

import pytest

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
from guides import section
from workflow_state import run

CPU = "CPU time of one workflow task (`workflow_limits.cpu_seconds`)"
MEMORY = "memory of a run (`workflow_limits.memory_mb`)"
OUTPUT = "output of `log` and `print`"
LENGTHS = {
    "a pattern (`string.find`, …)": 'string.find, "", "%a" .. ("a"):rep(n - 2)',
    "results of `table.unpack`": "table.unpack, {}, 1, n",
    "elements of `table.move`": "table.move, {}, 1, n, 1",
    "a format of `string.pack` or `string.unpack`": 'string.pack, (" "):rep(n)',
    "a format of `os.date`": 'os.date, ("-"):rep(n)',
}
"""Limits on an argument, with a call that has an argument of that length."""


def rows(heading: str) -> dict[str, str]:
    """The default of each limit in a table of the guide."""
    table = section("docs/determinism.md", heading)
    assert table is not None
    cells = [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("| ")]
    return {name: default for name, default, *_ in cells[2:]}


def mib(size: float) -> str:
    return f"{size / (1 << 20):g} MiB"


def test_the_limits_of_a_run() -> None:
    limits = WorkflowLimits()
    found = rows("Limits of a run")
    assert found.keys() - LENGTHS.keys() == {"depth of calls", CPU, MEMORY, OUTPUT}
    assert found[CPU] == f"{limits.cpu_seconds:g} s, at most 8 s"
    assert found[MEMORY] == f"{limits.memory_mb:g} MiB"
    assert found[OUTPUT] == f"{output.MAX_LINES:,} lines or {mib(output.MAX_BYTES)} per second"


def test_the_cpu_that_a_worker_may_allow(assay: Command) -> None:
    limited = (
        "temporal.worker({ task_queue = 'q', workflows = { W = print }, workflow_limits = { cpu_seconds = 8.01 } })"
    )
    assert "(0.01 to 8 expected, got 8.01)" in assay.run(assay.script(limited)).stderr


@pytest.mark.parametrize("limit", LENGTHS)
def test_a_length_that_a_run_may_have(limit: str) -> None:
    most = int(rows("Limits of a run")[limit].removesuffix(" bytes").replace(",", ""))
    chunk = f"local n = ... return (pcall({LENGTHS[limit]}))"
    assert [run(chunk, most), run(chunk, most + 2)] == [True, False]


def test_the_limits_of_the_server() -> None:
    """Only the limits that assay checks itself."""
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
        "nesting of JSON": "1,000 levels",
        "nesting of YAML": f"{reader.MAX_DEPTH} levels",
        "bytes of one `crypto.random`": mib(crypto._MAX_RANDOM),
    }
    assert serve.max_message == WebSocketOptions().max_message


def test_nesting(assay: Command) -> None:
    """The engine limits the number of blocks."""
    script = """
      local function levels(n) return ("["):rep(n) .. ("]"):rep(n) end
      print((pcall(json.parse, levels(1000))), (pcall(json.parse, levels(1001))))
      local function nested(n) return ("{% if true %}"):rep(n) .. "x" .. ("{% endif %}"):rep(n) end
      print(pcall(template.render_string, nested(149)))
      print((pcall(template.render_string, nested(150))))
    """
    assert assay.run(assay.script(script)).stdout == "true\tfalse\ntrue\tx\nfalse\n"
