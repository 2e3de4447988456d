"""The global `test` of a test file."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from assay.errors import BuiltinError
from assay.lua.declare import Library, method
from assay.lua.function import LuaFunction
from assay.lua.host import Host
from assay.lua.values import Json, Seconds, Value
from assay.permissions.needs import NOTHING
from assay.testing.explore_options import Exploration, ExploredState, ExploreOptions

library = Library(
    "test",
    """Tests, in files named `*_test.lua` that `assay test` runs.

    The tests of a file run one after the other in one Lua state, in the order in which they are declared. A test fails
    when it raises an error; the checks of `assert` do.

    A workflow is tested in an environment: a Temporal server of its own that skips time, so that a timer of thirty
    days takes milliseconds. At the end of a test every workflow that ran in it is replayed from its history; one that
    does not match it makes the test fail.
    """,
    callbacks={
        "test.function": "fun()",
        "test.EnvironmentOptions.workflows": "fun(ctx: Context, input: any, ...: any): any",
        "test.EnvironmentOptions.activities": "fun(input: any, ...: any): any",
        "test.explore.check": "fun(explored: test.Explored)",
        "test.ExploreOptions.workflows": "fun(ctx: Context, input: any, ...: any): any",
        "test.ExploreOptions.activities": "fun(input: any, ...: any): any",
        "test.ExploreOptions.always": "fun(state: test.ExploredState)",
        "test.ActivityBehavior.run": "fun(input: any, ...: any): any",
    },
    callback_tables=["assay.testing.explore_options:Explored"],
    needs=NOTHING,
)


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


@library.call()
def test(host: Host, name: str, function: LuaFunction) -> None:
    """Declare a test.

    Args:
        name: What it shows, in words; no two tests of a file have the same.
        function: The test. It may wait.
    """
    from assay.testing.host import TestHost

    if not isinstance(host, TestHost):
        raise BuiltinError("only in a file that 'assay test' runs")
    host.declare(name, function)


@library.handle
class Run:
    """A workflow that was started in an environment."""

    lua_name: ClassVar[str] = "test.Run"
    lua_prefix: ClassVar[str] = "run"

    def __init__(self, environment: Any, workflow_type: str, workflow_id: str, run_id: str, has_timeout: bool) -> None:
        self.workflow_type = workflow_type
        self.has_timeout = has_timeout
        self.workflow_id = workflow_id
        self.run_id = run_id
        self._environment = environment

    @method
    def id(self) -> str:
        """Return the workflow's id."""
        return self.workflow_id

    @method
    async def result(self) -> Json:
        """Skip time until the workflow has ended, and return its result; its failure is raised."""
        result: Json = await self._environment.result(self)
        return result

    @method
    async def signal(self, name: str, input: Value = None) -> None:
        """Send a signal now.

        Args:
            name: The signal.
            input: What `ctx:wait_signal` returns.
        """
        await self._environment.signal(self, name, input)

    @method
    async def query(self, name: str, input: Value = None) -> Json:
        """Ask a query handler now, and return its answer.

        Args:
            name: The query.
            input: What the handler gets.
        """
        answer: Json = await self._environment.query(self, name, input)
        return answer

    @method
    async def update(self, name: str, input: Value = None) -> Json:
        """Send an update now, and return its result; what its validator or its handler raises is raised here.

        Time stands still unless the handler waits for something.

        Args:
            name: The update.
            input: What the handler gets.
        """
        result: Json = await self._environment.update(self, name, input)
        return result

    @method
    async def cancel(self) -> None:
        """Ask the workflow to cancel, now."""
        await self._environment.cancel(self)


@library.handle
class Environment:
    """A Temporal server that skips time, with workers for the workflows under test.

    Its clock stands still but in `env:execute`, `run:result` and `env:sleep`, which skip to what happens next, and in
    `run:update` while the handler waits.
    """

    lua_name: ClassVar[str] = "test.Environment"
    lua_prefix: ClassVar[str] = "env"

    def __init__(self, environment: Any) -> None:
        self._environment = environment

    @method
    async def start(self, options: RunOptions | None = None) -> Run:
        """Start a workflow, without waiting for it.

        Args:
            options: Which workflow to start.
        """
        run: Run = await self._environment.start(options or RunOptions())
        return run

    @method
    async def execute(self, options: RunOptions | None = None) -> Json:
        """Start a workflow, skip time until it has ended, and return its result; its failure is raised.

        Args:
            options: Which workflow to start.
        """
        result: Json = await self._environment.result(await self._environment.start(options or RunOptions()))
        return result

    @method
    def signal_at(self, seconds: float, name: str, input: Value = None) -> None:
        """Plan a signal for the workflow that is started next. It is left out if the workflow has ended by then.

        Args:
            seconds: When, in seconds since the start of the workflow.
            name: The signal.
            input: What `ctx:wait_signal` returns.
        """
        self._environment.plan(Planned(seconds, "signal", name, input))

    @method
    def update_at(self, seconds: float, name: str, input: Value = None) -> None:
        """Plan an update for the workflow that is started next. It is left out if the workflow has ended by then.

        When the workflow refuses it, whatever lets time pass then raises the error. Its result is not waited for.

        Args:
            seconds: When, in seconds since the start of the workflow.
            name: The update.
            input: What the handler gets.
        """
        self._environment.plan(Planned(seconds, "update", name, input))

    @method
    async def sleep(self, seconds: float) -> None:
        """Let workflow time pass.

        Args:
            seconds: How much.
        """
        if not 0 <= seconds < float("inf"):
            raise BuiltinError(f"bad argument 'seconds' (a number of at least 0 expected, got {seconds:g})")
        await self._environment.sleep(seconds)

    @method
    def calls(self, activity: str | None = None) -> list[ActivityCall]:
        """Return the calls of activities so far, in their order.

        Args:
            activity: Only the calls of this one; an error when there is no such activity.
        """
        calls: list[ActivityCall] = self._environment.calls_of(activity)
        return calls


@library.function()
async def workflow_env(host: Host, options: EnvironmentOptions) -> Environment:
    """Make an environment for workflows. It ends with the test.

    Args:
        options: What it runs.
    """
    from assay.testing.host import TestHost

    if not isinstance(host, TestHost):
        raise BuiltinError("only in a file that 'assay test' runs")
    return Environment(await host.environment(options))


library.handle(ExploredState)


@library.function()
def explore(host: Host, name: str, options: ExploreOptions, check: LuaFunction) -> None:
    """Declare a test that runs a workflow under many schedules in a simulated server, in virtual time.

    Schedules differ in when messages come, how long activities take, which of their attempts fail or lose their answer,
    what shares a workflow task, and when a worker dies. Each run is replayed at its end. A schedule that fails is made
    as small as possible, shown as a timeline and written to a file for `assay test --schedule`.

    Args:
        name: What it shows, in words; no two tests of a file have the same.
        options: What is explored, and what may happen.
        check: Gets how the workflow went, after each schedule, and raises an error when that is wrong.
    """
    from assay.testing.host import TestHost

    if not isinstance(host, TestHost):
        raise BuiltinError("only in a file that 'assay test' runs")
    host.declare(name, Exploration(name, options, check))
