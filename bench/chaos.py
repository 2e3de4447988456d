"""Chaos test: kill workers and restart the server under load, and check that no result is wrong and no effect is lost.

Workflows with known results run on two workers. At random times a worker is killed (SIGKILL), and occasionally the
server is restarted. An HTTP server, independent of Temporal, counts the effects of activities. In the end every
workflow must have the expected result, every step at least one effect, every attempt at most one, and every history
must replay.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import random
import signal
import sys
import sysconfig
import tempfile
import time
import uuid
from collections import Counter
from pathlib import Path
from typing import Any

from aiohttp import web
from temporalio.client import Client, WorkflowHandle, WorkflowUpdateRPCTimeoutOrCancelledError
from temporalio.service import RPCError

from assay.temporal.dev_server.server import DevServer
from assay.temporal.telemetry.runtime import shared_runtime

ASSAY = os.path.join(sysconfig.get_path("scripts"), "assay")
WORKER = Path(__file__).parent / "chaos.lua"
IN_FLIGHT = 12
CALL_TIMEOUT = 30.0
"""Seconds after which a call is retried."""

DRAIN_TIMEOUT = 180.0
"""Seconds within which the workflows that are open at the end must complete."""


class Effects:
    """Counts the effects of activities."""

    def __init__(self) -> None:
        self.attempts: Counter[tuple[str, str]] = Counter()  # by task token and attempt
        self.steps: Counter[tuple[str, str]] = Counter()

    async def serve(self) -> tuple[web.AppRunner, str]:
        """Start the HTTP server; returns its runner and URL."""
        app = web.Application()
        app.router.add_post("/effect", self._count)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        assert runner.addresses
        return runner, f"http://127.0.0.1:{runner.addresses[0][1]}/effect"

    async def _count(self, request: web.Request) -> web.Response:
        effect = await request.json()
        self.steps[effect["workflow"], effect["step"]] += 1
        self.attempts[effect["token"], str(effect["attempt"])] += 1
        return web.Response()


def expected(kind: str, n: int) -> tuple[Any, dict[str, list[str]]]:
    """Return the expected result of a workflow, and its steps."""
    if kind == "Steps":
        return 4 * n + 10, {"": ["s1", "s2", "s3", "s4"]}
    if kind == "Fan":
        return 2 * n + 15 * n, {"": [f"f{i}" for i in range(1, 6)]}
    child = expected("Steps", n)
    return {"total": 3, "token": n, "child": child[0]}, {"": ["u1", "u2"]}


class Load:
    """Runs workflows and collects problems."""

    def __init__(self, queue: str, effects: Effects, seed: int) -> None:
        self.problems: list[str] = []
        self.done = 0
        self.stopping = False
        self.running: set[str] = set()
        self._queue = queue
        self._effects = effects
        self._random = random.Random(seed)

    async def lane(self, client: Client) -> None:
        """Run workflows one after another."""
        while not self.stopping:
            kind, n = self._random.choice(["Steps", "Fan", "Messages"]), self._random.randrange(1000)
            workflow_id = f"{kind}-{uuid.UUID(int=self._random.getrandbits(128))}"
            handle = await self._retry(
                lambda k=kind, m=n, i=workflow_id: client.start_workflow(k, m, id=i, task_queue=self._queue)
            )
            self.running.add(workflow_id)
            if kind == "Messages":
                await self._send_messages(handle)
            want, steps = expected(kind, n)
            got = await self._retry(handle.result)
            if got != want:
                self.problems.append(f"{workflow_id}: expected {want!r}, got {got!r}")
            for step in steps[""]:
                if not self._effects.steps[workflow_id, step]:
                    self.problems.append(f"{workflow_id}: step {step} has no effect")
            self.running.discard(workflow_id)
            self.done += 1

    async def _send_messages(self, handle: WorkflowHandle[Any, Any]) -> None:
        for value in (1, 2):
            await self._retry(lambda: handle.signal("tick"))
            update = f"add-{value}"
            await self._retry(lambda v=value, u=update: handle.execute_update("add", v, id=u))

    async def _retry(self, call: Any) -> Any:
        """Retry a call until it succeeds. A signal may be delivered twice; an update has an id."""
        while True:
            try:
                return await asyncio.wait_for(call(), CALL_TIMEOUT)
            except RPCError as error:
                if "already" in error.message.lower():
                    raise
            except (TimeoutError, WorkflowUpdateRPCTimeoutOrCancelledError):
                pass  # the call was lost in a restart of the server
            await asyncio.sleep(0.3)


class Worker:
    """A worker process that is restarted whenever it ends, as it may start while the server is down."""

    def __init__(self, environment: dict[str, str], *arguments: str) -> None:
        self._environment = environment
        self._arguments = arguments
        self._stopping = False
        self._process: asyncio.subprocess.Process | None = None
        self._supervising = asyncio.create_task(self._supervise())

    async def _supervise(self) -> int:
        while True:
            self._process = await asyncio.create_subprocess_exec(
                ASSAY, "run", str(WORKER), *self._arguments, env=self._environment, stderr=asyncio.subprocess.DEVNULL
            )
            code = await self._process.wait()
            if self._stopping:
                return code
            await asyncio.sleep(0.1)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)

    def kill(self) -> None:
        """Kill the process; a new one is started."""
        self._signal(signal.SIGKILL)

    def end(self) -> None:
        """Kill the process without starting a new one."""
        self._stopping = True
        self.kill()

    async def stop(self) -> int:
        """Drain the worker; returns its exit code."""
        self._stopping = True
        self._signal(signal.SIGTERM)
        return await self._supervising


async def run(kills: int, restarts: int, seed: int, minutes: float, pause: float) -> bool:
    """Run the test and print the problems; returns true if there are none.

    Kills are 0.2 to `pause` seconds apart.
    """
    rng, effects, queue = random.Random(seed), Effects(), f"chaos-{seed}"
    counter, url = await effects.serve()
    end = time.monotonic() + minutes * 60
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as cleanup:
        server = DevServer(ui=False, db=Path(folder) / "server.db")
        await asyncio.to_thread(server.start)
        cleanup.callback(lambda: server.stop())  # the current server: the variable is reassigned
        environment = {**os.environ, "TEMPORAL_ADDRESS": server.address}
        workers = [Worker(environment, queue, url) for _ in range(2)]
        for worker in workers:
            cleanup.callback(worker.end)
        load = Load(queue, effects, seed)
        client = await Client.connect(server.address, runtime=shared_runtime())
        lanes = [asyncio.create_task(load.lane(client)) for _ in range(IN_FLIGHT)]
        killed = restarted = 0
        every = max(1, kills // restarts) if restarts else kills + 1
        while killed < kills and time.monotonic() < end:
            await asyncio.sleep(rng.uniform(0.2, pause))
            rng.choice(workers).kill()
            killed += 1
            if killed % every == 0 and restarted < restarts:
                await asyncio.to_thread(server.stop)
                await asyncio.sleep(rng.uniform(0, 1))
                server = DevServer(ui=False, db=Path(folder) / "server.db", port=server.port)
                await asyncio.to_thread(server.start)
                restarted += 1
            if killed % 50 == 0:
                print(f"{killed:>5} kills {restarted:>4} restarts {load.done:>6} workflows", flush=True)
        load.stopping = True
        _, open_lanes = await asyncio.wait(lanes, timeout=DRAIN_TIMEOUT)
        for lane in lanes:
            if lane in open_lanes:
                lane.cancel()
            elif lane.exception() is not None:
                load.problems.append(f"{lane.exception()!r}")
        load.problems += [f"{workflow_id} did not complete" for workflow_id in load.running]
        duplicates = [attempt for attempt, count in effects.attempts.items() if count > 1]
        load.problems += [f"attempt {number} of {token} ran more than once" for token, number in duplicates]
        for worker in workers:
            if (code := await worker.stop()) != 0:
                load.problems.append(f"a worker ended with exit code {code}")
        load.problems += await replayed(environment, queue)
    await counter.cleanup()
    print(f"seed {seed}: {killed} kills, {restarted} restarts, {load.done} workflows, {len(effects.attempts)} effects")
    for problem in load.problems[:20]:
        print(f"  {problem}")
    return not load.problems


async def replayed(environment: dict[str, str], queue: str) -> list[str]:
    """Replay every history; returns the output if a replay fails."""
    process = await asyncio.create_subprocess_exec(
        ASSAY, "replay", "--query", f"TaskQueue = '{queue}'", str(WORKER),
        env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    output, _ = await process.communicate()
    return [] if process.returncode == 0 else [output.decode()]


def main() -> None:
    """Run the chaos test; exit with 1 if there are problems."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--restarts", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=60, help="maximum duration")
    parser.add_argument(
        "--pause", type=float, default=2, help="maximum seconds between two kills; raise it if workers start slowly"
    )
    parser.add_argument("--quick", action="store_true", help="20 kills and 2 restarts")
    options = parser.parse_args()
    kills, restarts = (20, 2) if options.quick else (options.kills, options.restarts)
    if not asyncio.run(run(kills, restarts, options.seed, options.minutes, options.pause)):
        sys.exit(1)


if __name__ == "__main__":
    main()
