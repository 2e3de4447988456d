"""Launch requests: the options of a launch configuration."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, get_type_hints

from assay.debugging.events import EventSpec, parse_list
from assay.debugging.wire import Message
from assay.errors import AssayError
from assay.lua.convert import suggest


@dataclass(kw_only=True)
class Launch:
    """Options of a launch configuration.

    Attributes:
        program: Path of the script.
        args: Arguments of the script.
        cwd: Working directory.
        env: Environment variables in addition to those of the editor; null removes one.
        stop_on_entry: Stop at the first line.
        stop_on_event: Events of the history at which a replay stops: ids and types.
        stop_at_end: Stop at the end of the history of an open run.
        workflow_id: Id of the workflow whose run is replayed.
        run_id: Run id; empty for the latest run.
        history: History file to replay.
        address: Address of the server [that of the script].
        namespace: Namespace [that of the script].
        no_debug: Run without stopping anywhere.
    """

    program: str
    args: list[str] = field(default_factory=list)
    cwd: str = ""
    env: dict[str, Any] = field(default_factory=dict)
    stop_on_entry: bool = False
    stop_on_event: list[EventSpec] = field(default_factory=list)
    stop_at_end: bool = True
    workflow_id: str = ""
    run_id: str = ""
    history: str = ""
    address: str = ""
    namespace: str = ""
    no_debug: bool = False

    @property
    def is_replay(self) -> bool:
        """True if the replay of a run is debugged."""
        return bool(self.workflow_id or self.history)


_EDITOR_OPTIONS = frozenset(
    {"name", "type", "request", "preLaunchTask", "postDebugTask", "presentation", "internalConsoleOptions"}
)
"""Options that editors add for themselves, like those that begin with two underscores."""


def read(arguments: Message) -> Launch:
    """Parse the arguments of a launch request. Raises AssayError."""
    hints = get_type_hints(Launch)
    names = {_camel(item.name): item.name for item in fields(Launch)}
    values: dict[str, Any] = {}
    for key, value in arguments.items():
        if key.startswith("__") or key in _EDITOR_OPTIONS or value is None:
            continue
        if key not in names:
            raise AssayError(f"unknown launch option '{key}'{suggest(key, names)}")
        name = names[key]
        if name == "stop_on_event":
            values[name] = parse_list(value)
            continue
        expected: Any = getattr(hints[name], "__origin__", hints[name])
        if not isinstance(value, expected):
            raise AssayError(f"launch option '{key}': expected {_WORDS[expected]}, got {value!r}")
        values[name] = value
    if not values.get("program"):
        raise AssayError("missing launch option 'program' (the script to debug)")
    launch = Launch(**values)
    launch.args = [str(item) for item in launch.args]
    if launch.workflow_id and launch.history:
        raise AssayError("launch options 'workflowId' and 'history' are mutually exclusive")
    if not launch.is_replay:
        _refuse(arguments, "runId", "address", "namespace", "stopOnEvent")
    elif launch.history:
        _refuse(arguments, "runId", "address", "namespace")
    return launch


_WORDS = {str: "a string", bool: "true or false", list: "an array", dict: "an object"}


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


def _refuse(arguments: Message, *names: str) -> None:
    for name in names:
        if arguments.get(name):
            raise AssayError(f"launch option '{name}' requires 'workflowId'" + _or_history(name))


def _or_history(name: str) -> str:
    return " or 'history'" if name == "stopOnEvent" else ""
