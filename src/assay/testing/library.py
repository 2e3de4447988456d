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
from assay.testing.options import ActivityCall, EnvironmentOptions, PlannedMessage, RunOptions

if TYPE_CHECKING:
    from assay.testing.environment import StartedRun, TestEnvironment

library = Library(
    "test",
    """Tests, in files named `*_test.lua` that `assay test` runs.

    The tests of a file run one after the other in one Lua state, in the order of their declaration. A test fails if it
    raises an error, as the functions of `assert` do.

    A workflow is tested in an environment: a private Temporal server that skips time, so that a timer of thirty days
    takes milliseconds. At the end of a test, every workflow that ran in it is replayed from its history. A workflow
    that does not match its history fails the test.
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
        name: Name of the test, unique in its file.
        function: The test. It may wait.
    """
    from assay.testing.host import TestHost

    if not isinstance(host, TestHost):
        raise BuiltinError("only available in files run by 'assay test'")
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
        """Skip time until the workflow has ended, and return its result. Raise an error if it failed."""
        result: Json = await self._environment.result(self._started)
        return result

    @method
    async def signal(self, name: str, input: Value = None) -> None:
        """Send a signal now.

        Args:
            name: Name of the signal.
            input: Input, which `ctx:wait_signal` returns.
        """
        await self._environment.signal(self._started, name, input)

    @method
    async def query(self, name: str, input: Value = None) -> Json:
        """Query the workflow now, and return the answer.

        Args:
            name: Name of the query.
            input: Input of the query handler.
        """
        answer: Json = await self._environment.query(self._started, name, input)
        return answer

    @method
    async def update(self, name: str, input: Value = None) -> Json:
        """Send an update now, and return its result. Raise the error of its validator or its handler.

        Time does not advance, except while the handler waits.

        Args:
            name: Name of the update.
            input: Input of the update handler.
        """
        result: Json = await self._environment.update(self._started, name, input)
        return result

    @method
    async def cancel(self) -> None:
        """Request cancellation of the workflow now."""
        await self._environment.cancel(self._started)


@library.handle
class Environment:
    """A Temporal server that skips time, with workers for the workflows under test.

    Its clock only advances in `env:execute`, `run:result` and `env:sleep`, which skip to the next event, and in
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
            options: Options of the workflow.
        """
        return Run(self._environment, await self._environment.start(options or RunOptions()))

    @method
    async def execute(self, options: RunOptions | None = None) -> Json:
        """Start a workflow, skip time until it has ended, and return its result. Raise an error if it failed.

        Args:
            options: Options of the workflow.
        """
        result: Json = await self._environment.result(await self._environment.start(options or RunOptions()))
        return result

    @method
    def signal_at(self, seconds: float, name: str, input: Value = None) -> None:
        """Plan a signal for the workflow that is started next. It is not sent if the workflow has ended by then.

        Args:
            seconds: Time to send it, in seconds since the start of the workflow.
            name: Name of the signal.
            input: Input, which `ctx:wait_signal` returns.
        """
        self._environment.plan(PlannedMessage(seconds, "signal", name, input))

    @method
    def update_at(self, seconds: float, name: str, input: Value = None) -> None:
        """Plan an update for the workflow that is started next. It is not sent if the workflow has ended by then.

        If the workflow rejects it, the call that skips time at that moment raises the error. The call does not wait for
        the result of the update.

        Args:
            seconds: Time to send it, in seconds since the start of the workflow.
            name: Name of the update.
            input: Input of the update handler.
        """
        self._environment.plan(PlannedMessage(seconds, "update", name, input))

    @method
    async def sleep(self, seconds: float) -> None:
        """Skip workflow time.

        Args:
            seconds: Time to skip, in seconds.
        """
        if not 0 <= seconds < float("inf"):
            raise BuiltinError(f"bad argument 'seconds' (expected a non-negative number, got {seconds:g})")
        await self._environment.sleep(seconds)

    @method
    def calls(self, activity: str | None = None) -> list[ActivityCall]:
        """Return the calls of activities so far, in order.

        Args:
            activity: Return only the calls of this activity. Raise an error if there is no such activity.
        """
        return self._environment.calls_of(activity)


@library.function()
async def workflow_env(host: Host, options: EnvironmentOptions) -> Environment:
    """Create an environment for workflows. It ends with the test.

    Args:
        options: Options of the environment.
    """
    from assay.testing.host import TestHost

    if not isinstance(host, TestHost):
        raise BuiltinError("only available in files run by 'assay test'")
    return Environment(await host.environment(options))


library.handle(ExploredState)


@library.function()
def explore(host: Host, name: str, options: ExploreOptions, check: LuaFunction) -> None:
    """Declare a test that runs a workflow under many schedules in a simulated server, in virtual time.

    Schedules differ in the arrival of messages, the durations of activities, the attempts that fail or lose their
    result, the events that share a workflow task, and the workers that die. Each run is replayed at its end. A failing
    schedule is shrunk, shown as a timeline and written to a file for `assay test --schedule`.

    Args:
        name: Name of the test, unique in its file.
        options: The workflow, and everything that may happen to it.
        check: Called with the result of each schedule. It raises an error if the result is wrong.
    """
    from assay.testing.host import TestHost

    if not isinstance(host, TestHost):
        raise BuiltinError("only available in files run by 'assay test'")
    host.declare(name, Exploration(name, options, check))
