"""Generate the reference pages and the editor annotations of all libraries.

python -m assay.cli.reference docs/reference
python -m assay.cli.reference --stubs assay.lua     (modules for `require` get separate files next to it)
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

from assay.cli import examples
from assay.libraries import LIBRARIES
from assay.lua.annotations import module_stub, prelude, stub
from assay.lua.declare import Library
from assay.lua.reference import entries, first_sentence, page
from assay.permissions.needs import NOTHING
from assay.testing.library import library as test_library

EXTENDED_GLOBALS = ("os",)
"""Standard Lua globals to which assay adds functions."""

_CTX_CALLBACKS = {
    "ctx:on_signal.handler": "fun(input: any)",
    "ctx:on_dynamic_signal.handler": "fun(name: string, input: any)",
    "ctx:register_query.handler": "fun(input: any): any",
    "ctx:register_dynamic_query.handler": "fun(name: string, input: any): any",
    "ctx:register_update.handler": "fun(input: any): any",
    "ctx:register_dynamic_update.handler": "fun(name: string, input: any): any",
    "ctx.UpdateOptions.validator": "fun(...: any)",
    "ctx:side_effect.function": "fun(): any",
    "ctx:spawn.function": "fun(...: any): any",
    "ctx:shield.function": "fun(): any",
    "ctx:with_timeout.function": "fun(): any",
    "ctx:wait_condition.condition": "fun(): any",
    "ctx:await_any.return": "integer?, any",
    "ctx:poll_signal.return": "boolean, any",
}

_GROUPS = {
    "ctx": {
        "Context": [
            ("Activities", ["execute_activity", "start_activity", "execute_local_activity", "start_local_activity"]),
            ("Child workflows", ["execute_child_workflow", "start_child_workflow"]),
            ("Other workflows", ["signal_workflow", "cancel_workflow"]),
            ("Nexus operations", ["execute_nexus_operation", "start_nexus_operation"]),
            ("Time", ["sleep", "start_timer", "now"]),
            ("Concurrency", ["spawn", "await_all", "await_any", "wait_condition"]),
            ("Signals", ["wait_signal", "poll_signal", "on_signal", "on_dynamic_signal"]),
            ("Queries", ["register_query", "register_dynamic_query"]),
            (
                "Updates",
                ["register_update", "register_dynamic_update", "current_update_info", "all_handlers_finished"],
            ),
            ("Cancellation", ["shield", "with_timeout", "is_cancelled", "cancellation_reason"]),
            ("Continuing as new", ["continue_as_new"]),
            ("Changing workflows", ["patched", "deprecate_patch"]),
            ("Random numbers and ids", ["random", "uuid", "uuid7", "side_effect"]),
            (
                "Data visible from outside",
                ["upsert_search_attributes", "upsert_memo", "set_current_details", "get_current_details"],
            ),
            ("The run", ["workflow_info", "is_replaying", "metric_meter"]),
        ]
    },
    "temporal": {
        "temporal.Client": [
            ("Starting workflows", ["start_workflow", "execute_workflow", "get_result"]),
            ("Messages", ["signal_workflow", "query_workflow", "update_workflow", "update_with_start"]),
            ("Ending workflows", ["cancel_workflow", "terminate_workflow", "reset_workflow"]),
            (
                "Inspecting workflows",
                ["describe_workflow", "list_workflows", "each_workflow", "count_workflows", "fetch_history"],
            ),
            (
                "Standalone activities",
                [
                    *("start_activity", "execute_activity", "get_activity_result", "describe_activity"),
                    *("list_activities", "cancel_activity", "terminate_activity"),
                ],
            ),
            (
                "Completing activities",
                ["complete_activity", "fail_activity", "heartbeat_activity", "report_activity_cancelled"],
            ),
            ("Closing", ["close"]),
        ]
    },
    "assay.temporal": {
        "assay.temporal.Client": [
            ("Server", ["health", "system_info"]),
            (
                "Older aliases",
                [
                    *("namespace", "workflow", "workflow_history", "signal_workflow", "terminate_workflow"),
                    *("cancel_workflow", "task_queue", "schedule", "search", "is_workflow_running"),
                    "wait_workflow_complete",
                ],
            ),
        ]
    },
}
"""Methods of a handle, grouped by task."""

_SUBJECTS = [
    ("Temporal", ["temporal", "ctx", "activity", "assay.temporal"]),
    ("Testing", ["test", "assert"]),
    ("Network and databases", ["http", "ws", "db"]),
    ("Data", ["json", "yaml", "toml", "base64", "crypto", "regex", "template", "markdown"]),
    ("Files and processes", ["fs", "disk", "shell", "process", "env", "os"]),
    ("Concurrency, time and logs", ["async", "sleep", "time", "log"]),
]
"""Groups of libraries in the list of all pages."""

_GUIDES = {
    "activity": [("Failures", "failures")],
    "assert": [("Testing", "testing")],
    "ctx": [
        ("Concurrency", "concurrency"),
        ("Signals, queries and updates", "messages"),
        ("Failures", "failures"),
        ("Changing workflows", "versioning"),
        ("Determinism and limits", "determinism"),
    ],
    "env": [("Environment variables", "environment")],
    "log": [("Observability", "observability")],
    "template": [("Templates", "templates")],
    "temporal": [("Client", "client"), ("Connecting to Temporal", "connecting"), ("Deploying", "deploy")],
    "test": [("Testing", "testing"), ("Simulation", "simulation")],
}
"""Guides about a library: titles and files."""

_TWINS = {"temporal": "temporal.Client"}
"""Handles whose methods are also functions of the library."""


def libraries() -> list[Library]:
    """Return all libraries, including `test` and `ctx`, sorted by name."""
    imported = [importlib.import_module(module).library for module, _ in LIBRARIES.values()]
    return sorted([*imported, test_library, _ctx()], key=lambda library: library.name)


def _ctx() -> Library:
    from assay.temporal.workflow.ctx.context import Context
    from assay.temporal.workflow.ctx.futures import Future

    library = Library("ctx", "The context of a workflow: its first argument.", callbacks=_CTX_CALLBACKS, needs=NOTHING)
    library.handle(Context)
    library.handle(Future)
    return library


def pages() -> dict[str, str]:
    """Return all reference pages, by file name."""
    by_library = {f"{library.name}.md": _page(library) for library in libraries()}
    rows = {
        str(library.name): f"- [{library.name}]({library.name}.md): {first_sentence(library.doc)}"
        for library in libraries()
    }
    parts = []
    for title, names in _SUBJECTS:
        parts.append(f"## {title}\n\n" + "\n".join(map(rows.pop, names)))
    assert not rows, f"no subject for {', '.join(rows)}"
    index = (
        "# Reference\n\n"
        "These are the globals of a script, with three exceptions: `ctx` is the first argument of a workflow function, "
        "`test` exists only in test files, and `assay.temporal` is a module for `require`.\n\n"
        "In a signature, `?` marks an optional argument, and the type of the result follows `→`. Tables of options "
        "list the type and the default of each field."
    )
    return {"README.md": "\n\n".join([index, *parts]) + "\n", **by_library}


def _page(library: Library) -> str:
    name = str(library.name)
    links = ", ".join(f"[{title}](../{file}.md)" for title, file in _GUIDES.get(name, ()))
    guides = f"Guides: {links}" if links else ""
    return page(library, examples.by_function(name), _GROUPS.get(name, {}), _TWINS.get(name, ""), guides)


def function_rows(library: Library) -> list[tuple[str, str]]:
    """Return the functions and methods of a library: signature and first sentence."""
    return [(entry.title, first_sentence(entry.doc)) for entry in entries(library)]


def stubs() -> str:
    """Return the LuaLS annotations of all globals, as one file."""
    parts = [
        stub(library, extends=library.name in EXTENDED_GLOBALS) for library in libraries() if "." not in library.name
    ]
    return "\n".join(["---@meta\n", prelude(), *parts])


def module_stubs() -> dict[str, str]:
    """Return the LuaLS annotations of the modules for `require`, by file name."""
    return {f"{library.name}.lua": module_stub(library) for library in libraries() if "." in library.name}


def main(argv: Sequence[str] | None = None) -> None:
    """Write the requested files."""
    parser = argparse.ArgumentParser(prog="python -m assay.cli.reference", description=__doc__)
    parser.add_argument("folder", nargs="?", help="folder for the Markdown pages")
    parser.add_argument("--stubs", metavar="FILE", help="file for the LuaLS annotations")
    options = parser.parse_args(argv)
    if options.folder is None and options.stubs is None:
        parser.error("nothing to write: expected a folder or --stubs FILE")
    if options.folder is not None:
        os.makedirs(options.folder, exist_ok=True)
        for name, text in pages().items():
            _write(os.path.join(options.folder, name), text)
    if options.stubs is not None:
        write_stubs(options.stubs)


def write_stubs(path: str) -> None:
    """Write the annotations of all globals to a file, and those of modules for `require` to files next to it.

    Creates the folder if it is missing. Raises OSError.
    """
    folder = os.path.dirname(path)
    os.makedirs(folder or ".", exist_ok=True)
    _write(path, stubs())
    for name, text in module_stubs().items():
        _write(os.path.join(folder, name), text)


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


if __name__ == "__main__":
    main(sys.argv[1:])
