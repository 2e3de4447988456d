"""Worker benchmark, compared with the official Python SDK in its default sandbox: same workflows, same server."""

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
class Contender:
    """One of the two implementations: the commands of its worker and of a replay."""

    name: str
    work: tuple[str, ...]
    replay: tuple[str, ...]


OURS = Contender(
    "ours",
    (ASSAY, "run", str(BENCH / "worker.lua")),
    (sys.executable, str(BENCH.parent / "tests" / "support" / "replay.py"), str(BENCH / "worker.lua")),
)
OFFICIAL = Contender(
    "official",
    (sys.executable, str(BENCH / "official_worker.py")),
    (sys.executable, str(BENCH / "official_worker.py"), "--replay"),
)


@dataclass(frozen=True)
class Figure:
    """A measured figure; `goal` is the maximum of the ratio ours/official, or the minimum if more is better."""

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
class Scale:
    """Scale of the benchmark."""

    rounds: int
    workflows: int
    open_workflows: int
    replays: int


FULL = Scale(rounds=6, workflows=300, open_workflows=800, replays=6)
QUICK = Scale(rounds=2, workflows=100, open_workflows=200, replays=3)


def environment(address: str) -> dict[str, str]:
    """Return the environment of the workers."""
    # With this variable the official sandbox would compile its modules for each workflow.
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "TEMPORAL_ADDRESS": address}


class Bench:
    """Drives the workers with the official client."""

    def __init__(self, client: Client, address: str, scale: Scale) -> None:
        self._client = client
        self._environment = environment(address)
        self._scale = scale

    @asynccontextmanager
    async def _worker(self, contender: Contender, queue: str) -> AsyncIterator[psutil.Process]:
        process = await asyncio.create_subprocess_exec(*contender.work, queue, env=self._environment)
        try:
            yield psutil.Process(process.pid)
        finally:
            process.terminate()
            if await process.wait() != 0:
                sys.exit(f"the worker ended with exit code {process.returncode}")

    async def _run(self, queue: str, workflow: str, argument: float) -> None:
        await self._client.execute_workflow(workflow, argument, id=str(uuid.uuid4()), task_queue=queue)

    async def _run_many(self, queue: str, count: int, workflow: str, argument: float, in_flight: int) -> float:
        """Run `count` workflows; returns the wall time in seconds."""
        numbers = iter(range(count))

        async def lane() -> None:
            for _ in numbers:
                await self._run(queue, workflow, argument)

        begin = time.perf_counter()
        await asyncio.gather(*(lane() for _ in range(in_flight)))
        return time.perf_counter() - begin

    async def _signal_many(self, queue: str, count: int) -> None:
        """Start workflows that wait for a signal, signal each one when it waits, and await its result."""
        numbers = iter(range(count))

        async def lane() -> None:
            for _ in numbers:
                handle = await self._client.start_workflow("Wait", id=str(uuid.uuid4()), task_queue=queue)
                while (await handle.describe()).history_length < 4:  # noqa: ASYNC110 (there is no notification)
                    await asyncio.sleep(0.02)
                await handle.signal("go", 1)
                await handle.result()

        await asyncio.gather(*(lane() for _ in range(IN_FLIGHT)))

    async def _open(self, queue: str, count: int) -> list[WorkflowHandle[object, object]]:
        """Start workflows that wait for a signal, and wait until each one does."""
        ids = [str(uuid.uuid4()) for _ in range(count)]
        handles = [await self._client.start_workflow("Wait", id=identity, task_queue=queue) for identity in ids]
        for handle in handles:
            while (await handle.describe()).history_length < 4:  # noqa: ASYNC110 (there is no notification)
                await asyncio.sleep(0.02)
        return handles

    async def history(self) -> str:
        """Return the history of a run on the official worker, as JSON."""
        queue = str(uuid.uuid4())
        async with self._worker(OFFICIAL, queue):
            # Each step adds six events: three of the activity and three of the next workflow task.
            handle = await self._client.start_workflow("Steps", REPLAYED_EVENTS // 6, id=queue, task_queue=queue)
            await handle.result()
            return (await handle.fetch_history()).to_json()

    async def measure(self, contender: Contender, history: Path) -> dict[str, float]:
        """Run one round for one implementation."""
        scale = self._scale
        queue = str(uuid.uuid4())
        first = asyncio.create_task(self._run(queue, "Steps", STEPS))
        await asyncio.sleep(0.2)  # the first workflow is started before the worker
        begin = time.perf_counter()
        figures: dict[str, float] = {}
        async with self._worker(contender, queue) as process:
            await first
            figures["start"] = time.perf_counter() - begin
            await self._run_many(queue, IN_FLIGHT * 2, "Steps", STEPS, IN_FLIGHT)  # warm-up
            before = cpu(process)
            wall = await self._run_many(queue, scale.workflows, "Steps", STEPS, IN_FLIGHT)
            figures["cpu"] = (cpu(process) - before) * 100 / scale.workflows
            figures["throughput"] = scale.workflows / wall
            before = cpu(process)
            figures["naps"] = await self._run_many(queue, NAPS, "Nap", 1, NAPS)
            figures["nap_cpu"] = (cpu(process) - before) * 100 / NAPS
            before = cpu(process)
            await self._signal_many(queue, scale.workflows)
            figures["signalled"] = (cpu(process) - before) * 100 / scale.workflows
        figures["memory"] = await self._memory(contender)
        figures["replay"] = await self._replay(contender, history)
        return figures

    async def _memory(self, contender: Contender) -> float:
        """Return the memory per open workflow of a new worker in KiB, not counting the first few."""
        queue = str(uuid.uuid4())
        async with self._worker(contender, queue) as process:
            await self._run_many(queue, IN_FLIGHT, "Steps", STEPS, IN_FLIGHT)
            handles = await self._open(queue, 20)
            before = process.memory_full_info().uss
            handles += await self._open(queue, self._scale.open_workflows)
            after = process.memory_full_info().uss
            for handle in handles:
                await handle.terminate()
        return (after - before) / 1024 / self._scale.open_workflows

    async def _replay(self, contender: Contender, history: Path) -> float:
        """Return the CPU time of a replay in milliseconds, without the startup and the first replay of a process."""
        single = await self._cpu_of(*contender.replay, str(history))
        repeated = await self._cpu_of(*contender.replay, *[str(history)] * (1 + self._scale.replays))
        return (repeated - single) * 1000 / self._scale.replays

    async def _cpu_of(self, *command: str) -> float:
        """Run a command; returns its CPU time in seconds."""
        pid = await asyncio.to_thread(os.posix_spawn, command[0], command, self._environment)
        _, status, usage = await asyncio.to_thread(os.wait4, pid, 0)
        if status != 0:
            sys.exit(f"failed: {' '.join(command)}")
        return usage.ru_utime + usage.ru_stime


def cpu(process: psutil.Process) -> float:
    """Return the CPU time of a process in seconds, without its children."""
    times = process.cpu_times()
    return float(times.user + times.system)


def report(rounds: list[tuple[dict[str, float], dict[str, float]]]) -> bool:
    """Print the table of results; returns true if every goal is reached."""
    reached = True
    print(f"{'':<48}{'ours':>9}{'official':>10}  {'':<4}{'ratio':>6}  (min to max)   goal")
    for name, figure in FIGURES.items():
        columns = zip(*rounds, strict=True)
        ours, official = (statistics.median(figures[name] for figures in column) for column in columns)
        ratios = sorted(one[name] / other[name] for one, other in rounds)
        ratio = statistics.median(ratios)
        over = figure.goal is not None and (ratio < figure.goal if figure.more_is_better else ratio > figure.goal)
        reached = reached and not over
        sign = ">=" if figure.more_is_better else "<="
        goal = "" if figure.goal is None else f"{sign:>5} {figure.goal:.2f}" + ("  MISSED" if over else "")
        spread = f"({ratios[0]:.2f} to {ratios[-1]:.2f})"
        print(f"{figure.title:<48}{ours:>9.2f}{official:>10.2f}  {figure.unit:<4}{ratio:>6.2f}  {spread}{goal}")
    return reached


async def run(scale: Scale) -> list[tuple[dict[str, float], dict[str, float]]]:
    """Run the rounds, alternating between the implementations."""
    with DevServer(ui=False) as server, tempfile.TemporaryDirectory() as folder:
        bench = Bench(await Client.connect(server.address), server.address, scale)
        history = Path(folder) / "history.json"
        history.write_text(await bench.history(), encoding="utf-8")
        rounds = []
        for number in range(scale.rounds):
            # Alternate the order, so that changes in the machine's speed affect both alike.
            order = (OURS, OFFICIAL) if number % 2 == 0 else (OFFICIAL, OURS)
            figures = {contender.name: await bench.measure(contender, history) for contender in order}
            rounds.append((figures["ours"], figures["official"]))
            print(f"round {number + 1} of {scale.rounds} done", file=sys.stderr)
        return rounds


def main() -> None:
    """Run the benchmark; exit with 1 if a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="run fewer and smaller rounds")
    scale = QUICK if parser.parse_args().quick else FULL
    if not report(asyncio.run(run(scale))):
        sys.exit(1)


if __name__ == "__main__":
    main()
