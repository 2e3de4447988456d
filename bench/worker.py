"""The worker against the official Python SDK's in its default sandbox: same workflows, same server, in turns."""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import sysconfig
import tempfile
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from temporalio.client import Client, WorkflowHandle

from assay.temporal.dev_server.server import DevServer

BENCH = Path(__file__).parent
ASSAY = os.path.join(sysconfig.get_path("scripts"), "assay")
IN_FLIGHT = 20
STEPS = 3
REPLAYED_EVENTS = 2000
NAPS = 100


@dataclass(frozen=True)
class Side:
    """One of the two: how its worker is started, and how it replays."""

    name: str
    work: tuple[str, ...]
    replay: tuple[str, ...]


OURS = Side(
    "ours",
    (ASSAY, "run", str(BENCH / "worker.lua")),
    (sys.executable, str(BENCH.parent / "tests" / "replay.py"), str(BENCH / "worker.lua")),
)
OFFICIAL = Side(
    "official",
    (sys.executable, str(BENCH / "official_worker.py")),
    (sys.executable, str(BENCH / "official_worker.py"), "--replay"),
)


@dataclass(frozen=True)
class Figure:
    """What is measured; `goal` is the most that the ratio ours/official may be, or the least if more is better."""

    title: str
    unit: str
    goal: float | None = None
    more_is_better: bool = False


FIGURES = {
    "cpu": Figure("CPU per 100 workflows of 3 activities", "s", 0.33),
    "signalled": Figure("CPU per 100 workflows that wait for a signal", "s", 0.35),
    "nap_cpu": Figure("CPU per 100 one-second activities", "s", 0.45),
    "throughput": Figure(f"workflows per second, {IN_FLIGHT} in flight", "/s", 1.3, more_is_better=True),
    "memory": Figure("memory per open waiting workflow", "KiB", 0.9),
    "replay": Figure(f"CPU to replay {REPLAYED_EVENTS} events", "ms", 0.2),
    "naps": Figure(f"wall for {NAPS} concurrent one-second activities", "s"),
    "start": Figure("worker start to first completed workflow", "s", 0.8),
}


@dataclass(frozen=True)
class Sizes:
    """How much is measured."""

    rounds: int
    workflows: int
    open_workflows: int
    replays: int


FULL = Sizes(rounds=6, workflows=300, open_workflows=800, replays=6)
QUICK = Sizes(rounds=2, workflows=100, open_workflows=200, replays=3)


def environment(address: str) -> dict[str, str]:
    """Return what the workers see."""
    # With this variable set, the official sandbox would compile its module anew for each workflow.
    kept = {name: text for name, text in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "TEMPORAL_ADDRESS": address}


class Bench:
    """Drives the workers by a client of its own."""

    def __init__(self, client: Client, address: str, sizes: Sizes) -> None:
        self._client = client
        self._environment = environment(address)
        self._sizes = sizes

    @asynccontextmanager
    async def _worker(self, side: Side, queue: str) -> AsyncIterator[psutil.Process]:
        process = await asyncio.create_subprocess_exec(*side.work, queue, env=self._environment)
        try:
            yield psutil.Process(process.pid)
        finally:
            process.terminate()
            if await process.wait() != 0:
                sys.exit(f"the worker ended with {process.returncode}")

    async def _run(self, queue: str, workflow: str, argument: float) -> None:
        await self._client.execute_workflow(workflow, argument, id=str(uuid.uuid4()), task_queue=queue)

    async def _run_many(self, queue: str, count: int, workflow: str, argument: float, in_flight: int) -> float:
        """Run `count` workflows; returns the seconds that it took."""
        left = iter(range(count))

        async def lane() -> None:
            for _ in left:
                await self._run(queue, workflow, argument)

        begin = time.perf_counter()
        await asyncio.gather(*(lane() for _ in range(in_flight)))
        return time.perf_counter() - begin

    async def _signal_many(self, queue: str, count: int) -> None:
        """Start workflows that wait for a signal, signal each once it waits, and see it end."""
        left = iter(range(count))

        async def lane() -> None:
            for _ in left:
                handle = await self._client.start_workflow("Wait", id=str(uuid.uuid4()), task_queue=queue)
                while (await handle.describe()).history_length < 4:  # noqa: ASYNC110 (the server tells nobody)
                    await asyncio.sleep(0.02)
                await handle.signal("go", 1)
                await handle.result()

        await asyncio.gather(*(lane() for _ in range(IN_FLIGHT)))

    async def _open(self, queue: str, count: int) -> list[WorkflowHandle[object, object]]:
        """Start workflows that wait, and see that each does."""
        ids = [str(uuid.uuid4()) for _ in range(count)]
        handles = [await self._client.start_workflow("Wait", id=identity, task_queue=queue) for identity in ids]
        for handle in handles:
            while (await handle.describe()).history_length < 4:  # noqa: ASYNC110 (the server tells nobody)
                await asyncio.sleep(0.02)
        return handles

    async def history(self) -> str:
        """The history of a run of the official worker, as JSON."""
        queue = str(uuid.uuid4())
        async with self._worker(OFFICIAL, queue):
            # Each step takes six events: its task's and the workflow task's after it.
            handle = await self._client.start_workflow("Steps", REPLAYED_EVENTS // 6, id=queue, task_queue=queue)
            await handle.result()
            return (await handle.fetch_history()).to_json()

    async def measure(self, side: Side, history: Path) -> dict[str, float]:
        """One round of one side."""
        sizes = self._sizes
        queue = str(uuid.uuid4())
        first = asyncio.create_task(self._run(queue, "Steps", STEPS))
        await asyncio.sleep(0.2)  # the first workflow is there before its worker
        begin = time.perf_counter()
        figures: dict[str, float] = {}
        async with self._worker(side, queue) as process:
            await first
            figures["start"] = time.perf_counter() - begin
            await self._run_many(queue, IN_FLIGHT * 2, "Steps", STEPS, IN_FLIGHT)  # warms up
            before = cpu(process)
            wall = await self._run_many(queue, sizes.workflows, "Steps", STEPS, IN_FLIGHT)
            figures["cpu"] = (cpu(process) - before) * 100 / sizes.workflows
            figures["throughput"] = sizes.workflows / wall
            before = cpu(process)
            figures["naps"] = await self._run_many(queue, NAPS, "Nap", 1, NAPS)
            figures["nap_cpu"] = (cpu(process) - before) * 100 / NAPS
            before = cpu(process)
            await self._signal_many(queue, sizes.workflows)
            figures["signalled"] = (cpu(process) - before) * 100 / sizes.workflows
        figures["memory"] = await self._memory(side)
        figures["replay"] = await self._replay(side, history)
        return figures

    async def _memory(self, side: Side) -> float:
        """KiB for each open workflow of a fresh worker, beyond the first few."""
        queue = str(uuid.uuid4())
        async with self._worker(side, queue) as process:
            await self._run_many(queue, IN_FLIGHT, "Steps", STEPS, IN_FLIGHT)
            handles = await self._open(queue, 20)
            before = process.memory_full_info().uss
            handles += await self._open(queue, self._sizes.open_workflows)
            after = process.memory_full_info().uss
            for handle in handles:
                await handle.terminate()
        return (after - before) / 1024 / self._sizes.open_workflows

    async def _replay(self, side: Side, history: Path) -> float:
        """Milliseconds of CPU for one more replay in a process that has done one."""
        once = await self._cpu_of(*side.replay, str(history))
        often = await self._cpu_of(*side.replay, *[str(history)] * (1 + self._sizes.replays))
        return (often - once) * 1000 / self._sizes.replays

    async def _cpu_of(self, *command: str) -> float:
        """Seconds of CPU of a command that ends by itself."""
        pid = await asyncio.to_thread(os.posix_spawn, command[0], command, self._environment)
        _, status, usage = await asyncio.to_thread(os.wait4, pid, 0)
        if status != 0:
            sys.exit(f"failed: {' '.join(command)}")
        return usage.ru_utime + usage.ru_stime


def cpu(process: psutil.Process) -> float:
    """Seconds of CPU that a process has taken, its children's not counted."""
    times = process.cpu_times()
    return float(times.user + times.system)


def report(rounds: list[tuple[dict[str, float], dict[str, float]]]) -> bool:
    """Print the table; returns whether every goal is reached."""
    reached = True
    print(f"{'':<48}{'ours':>9}{'official':>10}  {'':<4}{'ratio':>6}  (min to max)   goal")
    for name, figure in FIGURES.items():
        ours, official = (statistics.median(side[name] for side in sides) for sides in zip(*rounds, strict=True))
        ratios = sorted(mine[name] / theirs[name] for mine, theirs in rounds)
        ratio = statistics.median(ratios)
        over = figure.goal is not None and (ratio < figure.goal if figure.more_is_better else ratio > figure.goal)
        reached = reached and not over
        sign = ">=" if figure.more_is_better else "<="
        goal = "" if figure.goal is None else f"{sign:>5} {figure.goal:.2f}" + ("  MISSED" if over else "")
        spread = f"({ratios[0]:.2f} to {ratios[-1]:.2f})"
        print(f"{figure.title:<48}{ours:>9.2f}{official:>10.2f}  {figure.unit:<4}{ratio:>6.2f}  {spread}{goal}")
    return reached


async def run(sizes: Sizes) -> list[tuple[dict[str, float], dict[str, float]]]:
    """Measure both sides, in turns."""
    with DevServer(ui=False) as server, tempfile.TemporaryDirectory() as folder:
        bench = Bench(await Client.connect(server.address), server.address, sizes)
        history = Path(folder) / "history.json"
        history.write_text(await bench.history(), encoding="utf-8")
        rounds = []
        for number in range(sizes.rounds):
            # Who goes first changes, so that a machine that gets slower or faster favours nobody.
            sides = (OURS, OFFICIAL) if number % 2 == 0 else (OFFICIAL, OURS)
            figures = {side.name: await bench.measure(side, history) for side in sides}
            rounds.append((figures["ours"], figures["official"]))
            print(f"round {number + 1} of {sizes.rounds} done", file=sys.stderr)
        return rounds


def main() -> None:
    """Measure and print; fails when a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few rounds, small numbers")
    sizes = QUICK if parser.parse_args().quick else FULL
    if not report(asyncio.run(run(sizes))):
        sys.exit(1)


if __name__ == "__main__":
    main()
