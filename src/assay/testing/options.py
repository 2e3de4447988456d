"""The option tables of a test environment, and what it returns."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from assay.lua.function import LuaFunction
from assay.lua.values import Seconds, Value


@dataclass(kw_only=True)
class EnvironmentOptions:
    """What an environment runs.

    Attributes:
        script: A worker script, seen from the folder of the test file. It runs as usual, but its `temporal.worker`
            runs in the environment.
        arguments: What the script finds in `arg`.
        workflows: Workflows that are not in the script: name → function. A client starts them on the task queue "test".
        activities: Name → function, in place of the script's own activities of these names. An activity that neither
            has is an error of the test, and so is a name here that the script does not know and nothing calls.
    """

    script: str | None = None
    arguments: list[str] = field(default_factory=list)
    workflows: dict[str, LuaFunction] = field(default_factory=dict)
    activities: dict[str, LuaFunction] = field(default_factory=dict)


@dataclass(kw_only=True)
class RunOptions:
    """Which workflow to start.

    Attributes:
        workflow_type: The name under which it is registered; may be left out when there is only one.
        workflow_id: Its id; a fresh one when left out.
        input: What it gets.
        execution_timeout: Seconds that it may take with its retries and continuations.
        run_timeout: Seconds that one run may take.
        memo: Values by name that `ctx:workflow_info` shows.
        search_attributes: Values by name; they are registered with the test server, as are those that workflows set.
    """

    workflow_type: str | None = None
    workflow_id: str | None = None
    input: Value = None
    execution_timeout: Seconds | None = None
    run_timeout: Seconds | None = None
    memo: dict[str, Value] | None = None
    search_attributes: dict[str, Value] | None = None


@dataclass
class ActivityCall:
    """A call of an activity.

    Attributes:
        activity: Its name.
        input: What it got.
        attempt: 1, or more when it was tried again.
        at: Whole seconds since the environment's first workflow was started, in workflow time.
    """

    activity: str
    input: Value
    attempt: int
    at: int


@dataclass(frozen=True)
class Planned:
    """A message to a workflow, `seconds` after its start."""

    seconds: float
    kind: Literal["signal", "update"]
    name: str
    input: Value
