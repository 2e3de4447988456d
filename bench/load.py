"""Soak test: run workers under mixed load for a long time, and check that nothing leaks and no workflow is lost.

Two workers share a task queue. One runs throughout; its memory and its file descriptors are measured. The other is
restarted every minute, alternately drained (SIGTERM) and killed (SIGKILL). Several lanes run workflows of all kinds one
after the other, with known results. Some more workflows only wait for about a minute.

At the end every workflow must have the expected result, and none may be open or failed on the server. The idle worker
must not have more file descriptors than before the load. The growth of its memory along the trend line must be less
than the noise around that line, or 1 %. The warm-up is long because the memory rises at first (see docs/load.md).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import math
import os
import random
import signal
import statistics
import sys
import sysconfig
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import psutil
from aiohttp import web
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle, WorkflowUpdateRPCTimeoutOrCancelledError
from temporalio.exceptions import CancelledError
from temporalio.service import RPCError

from assay.temporal.dev_server.server import DevServer
from assay.temporal.telemetry.runtime import shared_runtime

ASSAY = os.path.join(sysconfig.get_path("scripts"), "assay")
WORKER = Path(__file__).parent / "load.lua"

KINDS = ("Steps", "Fan", "Talk", "Batch", "Flaky", "Disk", "Large", "Endless")
WAITING = 40
"""Number of workflows that wait for 30 to 90 seconds, in addition to the lanes."""

RESTART = 60.0
"""Seconds between two restarts."""

SAMPLE = 2.0
"""Seconds between two measurements."""

CALL = 30.0
"""Seconds after which a call is retried."""

REST = 120.0
"""Seconds in which open workflows must end, and the number of a worker's file descriptors must settle."""

MEBIBYTE = 1024 * 1024


@dataclass
class Minute:
    """Measurements of one minute: medians, and the number of workflows that ended.

    Attributes:
        memory: Resident MiB of the measured worker.
        descriptors: Number of its file descriptors.
        ended: Number of workflows that ended.
        load: The machine's load average.
    """

    memory: float
    descriptors: int
    ended: int
    load: float


@dataclass
class Figures:
    """The measurements of a run.

    Attributes:
        minutes: One entry per minute.
        ended: Number of workflows that ended, by type.
        restarts: Number of worker restarts.
        kills: Number of restarts by SIGKILL.
        descriptors_at_rest: File descriptors of the idle worker before and after the load.
        memory_at_rest: Resident MiB of the idle worker before and after the load.
        level: Mean memory after the warm-up, in MiB.
        growth: Growth of the memory along its trend line, in MiB.
        noise: Twice the standard deviation around the trend line, in MiB.
        problems: Everything that went wrong.
    """

    minutes: list[Minute] = field(default_factory=list)
    ended: Counter[str] = field(default_factory=Counter)
    restarts: int = 0
    kills: int = 0
    descriptors_at_rest: tuple[int, int] = (0, 0)
    memory_at_rest: tuple[float, float] = (0.0, 0.0)
    level: float = 0.0
    growth: float = 0.0
    noise: float = 0.0
    problems: list[str] = field(default_factory=list)


class Worker:
    """A worker process."""

    def __init__(self, environment: dict[str, str], *arguments: str) -> None:
        self._environment = environment
        self._arguments = arguments
        self.process: asyncio.subprocess.Process

    async def start(self) -> None:
        """Start the process."""
        self.process = await asyncio.create_subprocess_exec(
            ASSAY, "run", str(WORKER), *self._arguments, env=self._environment, stderr=asyncio.subprocess.DEVNULL
        )

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Stop the process with a signal; return the exit code."""
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)
        return await self.process.wait()


class Load:
    """Starts workflows and checks their results."""

    def __init__(self, client: Client, queue: str, seed: int, figures: Figures, pause: float) -> None:
        self._client = client
        self._queue = queue
        self._random = random.Random(seed)
        self._figures = figures
        self._pause = pause
        self._stopping = False
        self._lanes: list[asyncio.Task[None]] = []
        self._workflows: dict[asyncio.Task[None] | None, tuple[str, str]] = {}
        """The current call of each lane, and its workflow id."""

    def begin(self, lanes: int, waiting: int) -> None:
        """Start the lanes."""
        self._stopping = False
        self._lanes = [asyncio.create_task(self._mixed()) for _ in range(lanes)]
        self._lanes += [asyncio.create_task(self._waiting()) for _ in range(waiting)]

    async def end(self) -> None:
        """Start no more workflows, and wait until the open ones have ended."""
        self._stopping = True
        _, left = await asyncio.wait(self._lanes, timeout=REST + 90)
        for lane in self._lanes:
            if lane in left:
                lane.cancel()
                self._figures.problems.append(await self._describe_stuck(*self._workflows[lane]))
            elif lane.exception() is not None:
                self._figures.problems.append(f"{lane.exception()!r}")

    async def _describe_stuck(self, call: str, workflow_id: str) -> str:
        """Describe a call that did not end, with the events of its workflow."""
        handle = self._client.get_workflow_handle(workflow_id)
        described = await handle.describe()
        events = [
            EventType.Name(event.event_type).removeprefix("EVENT_TYPE_")
            async for event in handle.fetch_history_events()
        ]
        status = described.status.name if described.status else "?"
        return (
            f"{workflow_id}: {call} did not end; the workflow is {status}, closed at {described.close_time}: {events}"
        )

    def _note(self, call: str, workflow_id: str) -> None:
        self._workflows[asyncio.current_task()] = call, workflow_id

    async def _mixed(self) -> None:
        while not self._stopping:
            await self._run(self._random.choice(KINDS), self._random.randrange(1000))
            await asyncio.sleep(self._pause)

    async def _waiting(self) -> None:
        while not self._stopping:
            await self._run("Wait", self._random.randrange(30, 90))

    async def _run(self, kind: str, n: int) -> None:
        """Run a workflow to its end and check its result."""
        given: Any = {"n": n, "left": 3, "sum": 0} if kind == "Batch" else n
        workflow_id = f"{kind}-{uuid.UUID(int=self._random.getrandbits(128))}"
        self._note("start", workflow_id)
        handle = await _insist(lambda: self._client.start_workflow(kind, given, id=workflow_id, task_queue=self._queue))
        if kind == "Talk":
            self._note("talk", workflow_id)
            await _talk(handle)
        elif kind == "Endless":
            await asyncio.sleep(0.5)
            self._note("cancel", workflow_id)
            await _insist(handle.cancel)
        self._note("result", workflow_id)
        try:
            got = await _insist(handle.result)
        except WorkflowFailureError as error:
            got = "cancelled" if isinstance(error.cause, CancelledError) else repr(error.cause)
        if got != (want := _expected(kind, n)):
            self._figures.problems.append(f"{workflow_id}: expected {want!r}, got {got!r}")
        self._figures.ended[kind] += 1


def _expected(kind: str, n: int) -> Any:
    """Return the expected result of a workflow."""
    steps = n + 8
    of_kind = {"Steps": steps, "Fan": 6 * n + 15, "Talk": n + 3, "Batch": 3 * steps, "Disk": 2 * n, "Large": 1000}
    return of_kind.get(kind, {"Flaky": n, "Endless": "cancelled", "Wait": n + 1}.get(kind))


async def _talk(handle: WorkflowHandle[Any, Any]) -> None:
    await _insist(lambda: handle.signal("tick"))
    for value in (1, 2):
        await _insist(partial(handle.execute_update, "add", value, id=f"add-{value}"))
        with contextlib.suppress(RPCError):  # the workflow has ended
            await asyncio.wait_for(handle.query("total"), CALL)


async def _insist(call: Callable[[], Any]) -> Any:
    """Repeat a call until it succeeds. So a signal may arrive twice; updates are deduplicated by their ids."""
    while True:
        try:
            return await asyncio.wait_for(call(), CALL)
        except RPCError as error:
            if "already" in error.message.lower():
                raise
        except (TimeoutError, WorkflowUpdateRPCTimeoutOrCancelledError):
            pass
        await asyncio.sleep(0.3)


@contextlib.asynccontextmanager
async def _service() -> AsyncIterator[str]:
    """Run an HTTP server that returns the JSON that it receives; yield its URL."""

    async def answer(request: web.Request) -> web.Response:
        return web.json_response(await request.json())

    app = web.Application()
    app.router.add_post("/", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
    finally:
        await runner.cleanup()


async def _measure(process: psutil.Process, figures: Figures) -> None:
    """Record the measurements of each minute, until cancelled."""
    while True:
        began, before = time.monotonic(), figures.ended.total()
        memory, descriptors = [], []
        while time.monotonic() < began + 60:
            memory.append(process.memory_info().rss / MEBIBYTE)
            descriptors.append(process.num_fds())
            await asyncio.sleep(SAMPLE)
        minute = Minute(
            memory=round(statistics.median(memory), 1),
            descriptors=round(statistics.median(descriptors)),
            ended=figures.ended.total() - before,
            load=round(os.getloadavg()[0], 1),
        )
        figures.minutes.append(minute)
        print(f"{len(figures.minutes):>4} min {minute.memory:>7.1f} MiB {minute.descriptors:>4} descriptors "
              f"{minute.ended:>6} workflows  load {minute.load}", flush=True)  # fmt: skip


async def _restart(worker: Worker, figures: Figures) -> None:
    """Restart a worker every minute, until cancelled."""
    while True:
        await asyncio.sleep(RESTART)
        if figures.restarts % 2:
            await worker.stop(signal.SIGKILL)
            figures.kills += 1
        elif (code := await worker.stop()) != 0:
            figures.problems.append(f"a drained worker exited with {code}")
        await worker.start()
        figures.restarts += 1


async def _at_rest(process: psutil.Process) -> tuple[int, float]:
    """Return the file descriptors and the resident MiB of an idle worker, once they stop falling."""
    fewest, since = process.num_fds(), time.monotonic()
    memory = math.inf
    end = since + REST
    while time.monotonic() < min(end, since + 30):
        await asyncio.sleep(1)
        memory = min(memory, process.memory_info().rss / MEBIBYTE)
        if process.num_fds() < fewest:
            fewest, since = process.num_fds(), time.monotonic()
    return fewest, round(memory, 1)


async def _unfinished(client: Client, queue: str) -> list[str]:
    """Return a problem for each status on the server that no workflow should have."""
    found = await client.count_workflows(f"TaskQueue = '{queue}' GROUP BY ExecutionStatus")
    counts = {str(group.group_values[0]): group.count for group in found.groups}
    expected = {"Completed", "ContinuedAsNew", "Canceled"}
    return [f"{count} workflows are {status}" for status, count in counts.items() if status not in expected]


def _judge(figures: Figures, warm_up: int) -> None:
    """Compute the trend of the memory after the warm-up, and add the problems of the run."""
    levels = [minute.memory for minute in figures.minutes[warm_up:]]
    if len(levels) < 3:
        figures.problems.append("too short for a trend: at least three minutes after the warm-up are needed")
        return
    minutes = range(len(levels))
    slope, start = statistics.linear_regression(minutes, levels)
    residuals = [level - (start + slope * minute) for minute, level in zip(minutes, levels, strict=True)]
    figures.level = round(statistics.fmean(levels), 1)
    figures.growth = round(slope * (len(levels) - 1), 1)
    figures.noise = round(2 * statistics.pstdev(residuals), 1)
    if figures.growth > max(figures.noise, figures.level / 100):
        figures.problems.append(f"the memory grew by {figures.growth} MiB, more than the noise of {figures.noise} MiB")
    before, after = figures.descriptors_at_rest
    if after > before:
        figures.problems.append(f"{after - before} file descriptors leaked")


async def run(minutes: int, warm_up: int, lanes: int, pause: float, seed: int) -> Figures:
    """Run the test; return its measurements."""
    figures, queue = Figures(), f"load-{seed}"
    async with contextlib.AsyncExitStack() as leaving:
        folder = leaving.enter_context(tempfile.TemporaryDirectory())
        url = await leaving.enter_async_context(_service())
        server = DevServer(ui=False, db=Path(folder) / "server.db")
        await asyncio.to_thread(server.start)
        leaving.callback(server.stop)
        environment = {**os.environ, "TEMPORAL_ADDRESS": server.address}
        lasting, restarted = (Worker(environment, queue, url, folder) for _ in range(2))
        for worker in (lasting, restarted):
            await worker.start()
            leaving.push_async_callback(worker.stop, signal.SIGKILL)
        client = await Client.connect(server.address, runtime=shared_runtime())
        load = Load(client, queue, seed, figures, pause)
        process = psutil.Process(lasting.process.pid)

        load.begin(lanes, 0)  # warms up every kind before the descriptors are counted
        await asyncio.sleep(30)
        await load.end()
        at_first = await _at_rest(process)

        load.begin(lanes, WAITING)
        watching = [asyncio.create_task(_measure(process, figures)), asyncio.create_task(_restart(restarted, figures))]
        await asyncio.wait(watching, timeout=minutes * 60 + 1, return_when=asyncio.FIRST_EXCEPTION)
        for task in watching:
            if task.done():
                figures.problems.append(f"{task.exception()!r}")
            task.cancel()
        await asyncio.gather(*watching, return_exceptions=True)
        if restarted.process.returncode is not None:
            await restarted.start()
        await load.end()
        at_last = await _at_rest(process)
        figures.descriptors_at_rest = at_first[0], at_last[0]
        figures.memory_at_rest = at_first[1], at_last[1]
        figures.problems += await _unfinished(client, queue)
        for worker in (lasting, restarted):
            if (code := await worker.stop()) != 0:
                figures.problems.append(f"a worker exited with {code}")
    _judge(figures, warm_up)
    return figures


def _show(figures: Figures) -> None:
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(figures.ended.items()))
    print(f"{figures.ended.total()} workflows ({kinds})")
    print(f"{figures.restarts} restarts, {figures.kills} of them kills")
    print(f"memory {figures.level} MiB, trend {figures.growth:+} MiB over the time measured, noise {figures.noise} MiB")
    print("file descriptors at rest: {} before, {} after".format(*figures.descriptors_at_rest))
    print("memory at rest: {} MiB before, {} MiB after".format(*figures.memory_at_rest))
    for problem in figures.problems[:20]:
        print(f"  {problem}")


def main() -> None:
    """Run the test and print the measurements; exit with 1 if there are problems."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=int, default=40)
    parser.add_argument("--warm-up", type=int, help="minutes to exclude from the trend [half]")
    parser.add_argument(
        "--lanes", type=int, default=12, help="concurrent workflows, in addition to the waiting ones [12]"
    )
    parser.add_argument("--pause", type=float, default=0.0, help="seconds between two workflows of a lane [0]")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", type=Path, help="write the measurements to a file, as JSON")
    options = parser.parse_args()
    warm_up = options.minutes // 2 if options.warm_up is None else options.warm_up
    figures = asyncio.run(run(options.minutes, warm_up, options.lanes, options.pause, options.seed))
    _show(figures)
    if options.output is not None:
        minutes = [asdict(minute) for minute in figures.minutes]
        options.output.write_text(json.dumps({**vars(figures), "minutes": minutes}, indent=2))
    if figures.problems:
        sys.exit(1)


if __name__ == "__main__":
    main()
