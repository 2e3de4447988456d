"""The global `test` of a test file."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from assay.errors import BuiltinError
from assay.lua.declare import Library, method
from assay.lua.function import LuaFunction
from assay.lua.host import Host
from assay.lua.values import Json, Value
from assay.permissions.needs import NOTHING
from assay.testing.explore_options import Exploration, ExploredState, ExploreOptions
from assay.testing.options import ActivityCall, EnvironmentOptions, Planned, RunOptions

if TYPE_CHECKING:
    from assay.testing.environment import StartedRun, TestEnvironment

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

    def __init__(self, environment: TestEnvironment, started: StartedRun) -> None:
        self._environment = environment
        self._started = started

    @method
    def id(self) -> str:
        """Return the workflow's id."""
        return self._started.workflow_id

    @method
    async def result(self) -> Json:
        """Skip time until the workflow has ended, and return its result; its failure is raised."""
        result: Json = await self._environment.result(self._started)
        return result

    @method
    async def signal(self, name: str, input: Value = None) -> None:
        """Send a signal now.

        Args:
            name: The signal.
            input: What `ctx:wait_signal` returns.
        """
        await self._environment.signal(self._started, name, input)

    @method
    async def query(self, name: str, input: Value = None) -> Json:
        """Ask a query handler now, and return its answer.

        Args:
            name: The query.
            input: What the handler gets.
        """
        answer: Json = await self._environment.query(self._started, name, input)
        return answer

    @method
    async def update(self, name: str, input: Value = None) -> Json:
        """Send an update now, and return its result; what its validator or its handler raises is raised here.

        Time stands still unless the handler waits for something.

        Args:
            name: The update.
            input: What the handler gets.
        """
        result: Json = await self._environment.update(self._started, name, input)
        return result

    @method
    async def cancel(self) -> None:
        """Ask the workflow to cancel, now."""
        await self._environment.cancel(self._started)


@library.handle
class Environment:
    """A Temporal server that skips time, with workers for the workflows under test.

    Its clock stands still but in `env:execute`, `run:result` and `env:sleep`, which skip to what happens next, and in
    `run:update` while the handler waits.
    """

    lua_name: ClassVar[str] = "test.Environment"
    lua_prefix: ClassVar[str] = "env"

    def __init__(self, environment: TestEnvironment) -> None:
        self._environment = environment

    @method
    async def start(self, options: RunOptions | None = None) -> Run:
        """Start a workflow, without waiting for it.

        Args:
            options: Which workflow to start.
        """
        return Run(self._environment, await self._environment.start(options or RunOptions()))

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
        return self._environment.calls_of(activity)


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
