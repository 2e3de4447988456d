"""Side effects: local activities that call back into the Lua state of their run, on a pool thread."""

from __future__ import annotations

import asyncio
import functools
from concurrent.futures import Executor
from typing import Any

from temporalio.api.failure.v1 import Failure

from assay import events
from assay.errors import LuaError
from assay.lua.values import Json
from assay.temporal.core.bridge import CoreWorker
from assay.temporal.core.protos import ActivityTaskCompletion, Start
from assay.temporal.data import failures, payloads
from assay.temporal.telemetry.reporter import Reporter
from assay.temporal.worker.codec import MessageCodec
from assay.temporal.workflow.ctx.activities import SIDE_EFFECT_ACTIVITY
from assay.temporal.workflow.runs import Runs, UnknownRunError
from assay.temporal.workflow.sandbox.errors import HostFailure

_RESULT_OVERHEAD = 512
"""Bytes that a marker event records in addition to the result of a local activity."""

_MIN_COUNTED_SIZE = 1024
"""Results up to this many bytes are not counted: they include failed attempts, of which only the last is recorded."""


class SideEffects:
    """The side effects of a worker's runs. Everything but the call itself runs on the worker's thread."""

    def __init__(
        self,
        runs: Runs,
        pool: Executor,
        core: CoreWorker,
        codec: MessageCodec,
        payload_limit: int,
        reporter: Reporter,
    ) -> None:
        self._runs = runs
        self._pool = pool
        self._core = core
        self._codec = codec
        self._payload_limit = payload_limit
        self._reporter = reporter
        self._loop = asyncio.get_running_loop()
        self._running: set[asyncio.Future[Any]] = set()

    def take(self, token: bytes, start: Start) -> None:
        """Run a side effect and report its result."""
        run_id, key = (payloads.to_python(payloads.from_payload(item) or Json(b"null")) for item in start.input)
        running = self._loop.run_in_executor(self._pool, self._call, run_id, key)
        self._running.add(running)
        running.add_done_callback(functools.partial(self._complete, token, str(run_id)))

    async def drained(self) -> None:
        """Wait until all results are reported."""
        while self._running:
            await asyncio.wait(self._running)

    def expect(self, run_id: str, title: str, size: int) -> Failure | None:
        """Count the size of a local activity's result; returns a failure if it exceeds what the workflow task allows.

        May be called on any thread.
        """
        problem = self._runs.expect_result(run_id, size + _RESULT_OVERHEAD) if size > _MIN_COUNTED_SIZE else None
        if problem is None:
            return None
        return failures.application(
            f"the result of {title} has {size} bytes: {problem}", "PayloadTooLarge", non_retryable=True
        )

    def _call(self, run_id: Any, key: Any) -> Json | Failure | None:
        try:
            result = self._runs.side_effect(run_id, key)
        except UnknownRunError as error:
            return failures.application(str(error), "RunEvicted")
        except LuaError as error:
            return failures.of_lua_error(error)
        except HostFailure as failure:
            return failures.application(str(failure.cause), SIDE_EFFECT_ACTIVITY)
        problem = payloads.too_large("the result of a side effect", len(result or b""), self._payload_limit)
        if problem is not None:
            return failures.application(problem, "PayloadTooLarge", non_retryable=True)
        return result

    def _complete(self, token: bytes, run_id: str, running: asyncio.Future[Json | Failure | None]) -> None:
        completion = ActivityTaskCompletion(task_token=token)
        failure: Failure | None = None
        error = running.exception()
        outcome = running.result() if error is None else failures.application(f"{error!r}", type(error).__name__)
        size = outcome.ByteSize() if isinstance(outcome, Failure) else len(outcome or b"")
        problem = self.expect(run_id, "a side effect", size)
        if problem is not None:
            outcome = problem
        if isinstance(outcome, Failure):
            failure = completion.result.failed.failure
            failure.CopyFrom(outcome)
        else:
            completion.result.completed.result.CopyFrom(payloads.to_payload(outcome))
        self._codec.seal(completion, failure)
        sending: Any = self._core.complete_activity_task(completion.SerializeToString())
        self._running.add(sending)
        self._running.discard(running)
        sending.add_done_callback(self._reported)

    def _reported(self, sending: asyncio.Future[None]) -> None:
        self._running.discard(sending)
        if sending.exception() is not None:
            text = f"cannot report the result of a side effect: {sending.exception()}"
            self._reporter.report(events.SIDE_EFFECT_NOT_REPORTED, text)
