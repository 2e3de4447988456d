"""The host of a test file."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from assay.errors import BuiltinError, LuaError
from assay.libraries import LIBRARIES
from assay.lua.function import LuaFunction
from assay.lua.host import Host
from assay.lua.loader import Finder
from assay.lua.state import PARTS
from assay.permissions import EVERYTHING, Permissions
from assay.testing.policy import TestPolicy

if TYPE_CHECKING:
    from assay.testing.environment import TestEnvironment
    from assay.testing.explore_options import Exploration
    from assay.testing.options import EnvironmentOptions
    from assay.testing.server import Server

TEST_LIBRARIES = {**LIBRARIES, "test": ("assay.testing.library", False)}
"""The globals of a test file."""


class TestHost(Host):
    """The host of a test file: its tests, its server and its environments."""

    def __init__(
        self,
        path: str,
        write: Callable[[bytes], Any],
        *,
        coverage: bool = False,
        permissions: Permissions = EVERYTHING,
    ) -> None:
        self.folder = os.path.dirname(path) or "."
        self.more_parts: tuple[str, ...] = ()
        """Additional parts for all states of the file, including those of scripts and workflows."""
        self.more_libraries: dict[str, tuple[str, bool]] = {}
        if coverage:
            from assay.testing.coverage import LIBRARIES as COVERAGE
            from assay.testing.coverage import PART

            self.more_parts, self.more_libraries = (PART,), COVERAGE
        libraries = {**TEST_LIBRARIES, **self.more_libraries}
        super().__init__(
            libraries,
            Finder(self.folder, permissions),
            write,
            parts=(*PARTS, *self.more_parts),
            policy=TestPolicy(permissions, lambda: self.server),
        )
        self.on_exit = lambda: None
        self.tests: dict[str, LuaFunction | Exploration] = {}
        self.running: str | None = None
        """Name of the running test."""
        self.ending: asyncio.Future[str] | None = None
        """Resolves to the message with which the running test fails, whatever it waits for."""
        self.server: Server | None = None
        self.environments: list[TestEnvironment] = []

    def end_test(self, message: str) -> None:
        """Fail the running test."""
        if self.ending is not None and not self.ending.done():
            self.ending.set_result(message)

    def declare(self, name: str, function: LuaFunction | Exploration) -> None:
        """Declare a test or an exploration. Raise BuiltinError if that is not possible."""
        if self.running is not None:
            raise BuiltinError("tests cannot be declared inside a test")
        if name in self.tests:
            raise BuiltinError(f"duplicate test name '{name}'")
        self.tests[name] = function

    async def environment(self, options: EnvironmentOptions) -> TestEnvironment:
        """Create an environment that ends with the running test. Raise BuiltinError outside of a test."""
        from assay.temporal.telemetry import logs
        from assay.testing.environment import TestEnvironment
        from assay.testing.server import Server

        if self.running is None:
            raise BuiltinError("only allowed inside a test")
        logs.configure(verbose=False, quiet=True)
        self.server = self.server or Server()
        server = self.server
        environment = TestEnvironment(
            self,
            await server.get(),
            await server.attributes(),
            await server.client(),
            options,
            self.end_test,
            parts=self.more_parts,
            libraries=self.more_libraries,
        )
        self.environments.append(environment)
        try:
            await environment.open(self.folder)
        except LuaError as error:
            raise BuiltinError(f"{options.script}: {error.message}") from error
        return environment
