"""Fuzz test of determinism: run generated workflows in two processes, and find replays that differ, abort or hang.

The first process runs a program against a simulated server, which completes commands in an order that depends on the
seed, sends signals, updates and queries, and sometimes evicts the run. The second process, with different hash seeds
and memory addresses, replays the history and must issue the same commands. So must the first process after each
eviction. A workflow task may only fail because of a limit.

    python bench/fuzz.py                             10,000 programs
    python bench/fuzz.py --programs 50 --first 7     50 programs, from seed 7
    python bench/fuzz.py --show 123                  print the program of a seed
"""

from __future__ import annotations

import argparse
import copyreg
import os
import pickle
import random
import select
import struct
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from typing import IO, Any

import psutil
from fuzz_programs import Program
from google.protobuf.message import Message
from temporalio.api.enums.v1 import RetryState
from temporalio.api.failure.v1 import Failure

from assay.libraries import LIBRARIES
from assay.lua.host import Host
from assay.lua.loader import Finder
from assay.lua.values import Json
from assay.simulation import jobs
from assay.simulation.core import Core
from assay.simulation.tasks import LocalResult, Task
from assay.simulation.violation import Violation
from assay.temporal.core.protos import WorkflowActivationJob, WorkflowCommand
from assay.temporal.data import failures, payloads
from assay.temporal.workflow.ctx.activities import SIDE_EFFECT_ACTIVITY
from assay.temporal.workflow.run.run import Run
from assay.temporal.workflow.sandbox.host import HASH_SEED
from assay.temporal.workflow.sandbox.limits import WorkflowLimits
from assay.temporal.workflow.settings import Definition, Settings

PROGRAMS = 10_000
MAX_CPU = 60.0
"""CPU seconds after which a program counts as hanging; each of its tasks may take one second."""

MAX_WALL = 900.0
"""Wall seconds after which a program counts as hanging; high, because the machine may be busy."""

MAX_TASKS = 25
_FINAL = RetryState.RETRY_STATE_NON_RETRYABLE_FAILURE
SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND


# Programs ---------------------------------------------------------------------------------------------------------


def snapshot(source: str) -> bytes:
    """Return the snapshot of the workflow function that a chunk returns."""
    host = Host(LIBRARIES, Finder("."), lambda _text: None)
    return host.snapshot(host.run_sync(host.load(source.encode(), "program.lua"), (), b"call"), "a program")


def make_core(source: str, hash_seed: int) -> Core:
    """Return a simulated Core that runs the program."""
    settings = Settings(libraries=LIBRARIES, limits=WorkflowLimits(), task_queue="fuzz", hash_seed=hash_seed)
    return Core(Definition("Program", snapshot(source)), settings, "run")


def initialize(seed: int) -> WorkflowActivationJob:
    """Return the job that starts a run."""
    job = WorkflowActivationJob()
    start = job.initialize_workflow
    start.workflow_type, start.workflow_id, start.randomness_seed = "Program", f"program-{seed}", seed
    start.arguments.append(payloads.to_payload(Json.of(seed)))
    start.start_time.FromNanoseconds(START)
    return job


class Server:
    """A simulated server for one program, with its pending commands."""

    def __init__(self, seed: int, core: Core) -> None:
        self._random = random.Random(f"server {seed}")
        self._core = core
        self._seed = seed
        self._pending: dict[tuple[str, int], WorkflowCommand] = {}
        self._messages = 0
        self.tasks: list[Task] = []

    def run(self) -> str:
        """Run the program until it closes or reaches `MAX_TASKS`; returns its status. Raises Violation."""
        at, length = START, 3
        due_jobs = [initialize(self._seed)]
        while True:
            if self._random.random() < 0.2:
                due_jobs += self._message()
            task = Task(len(self.tasks) + 1, at, due_jobs, length)
            self._core.perform(task, self.tasks, self._run_local)
            if task.failure is not None:
                if task.failure.application_failure_info.type != "WorkflowLimitError":
                    raise Violation("failed", f"a workflow task failed: {task.failure.message}", self._core.traceback())
                return "limit exceeded"
            self.tasks.append(task)
            if task.closing is not None:
                return jobs.variant(task.closing)
            if len(self.tasks) >= MAX_TASKS:
                return "still running"
            self._add_commands(task)
            self._query(at, length)
            if self._random.random() < 0.15:
                self._core.evict()
            at += self._random.choice([1, SECOND // 2, SECOND])
            length += 3 + len(task.sent)
            due_jobs = self._next_jobs()

    def _add_commands(self, task: Task) -> None:
        for sent in task.sent:
            if isinstance(sent, LocalResult):
                continue
            kind = jobs.variant(sent)
            if kind == "cancel_timer":
                self._pending.pop(("start_timer", sent.cancel_timer.seq), None)
            elif kind in _COMPLETIONS:
                self._pending[kind, getattr(sent, kind).seq] = sent

    def _next_jobs(self) -> list[WorkflowActivationJob]:
        """Return the jobs of the next task."""
        if self._random.random() < 0.03:
            return [jobs.cancel("enough")]
        count = min(len(self._pending), self._random.choice([1, 1, 1, 2, 3]))
        next_jobs = []
        for key in self._random.sample(sorted(self._pending), count):
            command = self._pending.pop(key)
            next_jobs += self._complete(key[0], command)
        if not next_jobs or self._random.random() < 0.2:
            next_jobs += self._message()
        return next_jobs

    def _message(self) -> list[WorkflowActivationJob]:
        self._messages += 1
        value = jobs.arguments([Json.of(self._messages)])
        if self._random.random() < 0.4:
            return [jobs.update(f"update-{self._messages}", "u", value)]
        return [jobs.signal(self._random.choice(["s1", "s2", "s3"]), value)]

    def _query(self, at: int, length: int) -> None:
        """Query the run, which must not affect it."""
        run = self._core.run
        if run is None or run.is_over or self._random.random() < 0.5:
            return
        for name in ("state", "look"):
            try:
                self._core.query(name, Json.of(1), at, length)
            except Exception as error:
                if "Error:" in str(error):
                    raise Violation("query", f"a query failed: {error}", self._core.traceback()) from error

    def _complete(self, kind: str, command: WorkflowCommand) -> list[WorkflowActivationJob]:
        if (
            kind == "start_child_workflow_execution"
            and ("started", command.start_child_workflow_execution.seq) not in self._pending
        ):
            seq = command.start_child_workflow_execution.seq
            self._pending["child", seq] = command
            return [jobs.child_started(seq, f"child-run-{seq}")]
        return [_COMPLETIONS[kind](command)]

    def _run_local(self, command: WorkflowCommand, run: Run) -> tuple[float, WorkflowActivationJob]:
        schedule = command.schedule_local_activity
        seconds = self._random.choice([0.001, 0.01, 0.3])
        if schedule.activity_type != SIDE_EFFECT_ACTIVITY:
            return seconds, _activity_completed(schedule, is_local=True)
        key = payloads.to_python(payloads.from_payload(schedule.arguments[1]) or Json(b"null"))
        try:
            result = run.run_side_effect(key)
        except BaseException as error:
            cause = failures.application(str(error), "SideEffect")
            failure = jobs.activity_failure("failed", schedule.activity_type, schedule.activity_id, _FINAL, cause)
            return seconds, jobs.activity_failed(schedule.seq, failure, is_local=True)
        return seconds, jobs.activity_completed(schedule.seq, payloads.to_payload(result), is_local=True)


def _activity_completed(schedule: Any, *, is_local: bool = False) -> WorkflowActivationJob:
    if schedule.activity_type == "fail":
        cause = failures.application("it failed", "FAILED", non_retryable=True)
        failure = jobs.activity_failure("failed", schedule.activity_type, schedule.activity_id, _FINAL, cause)
        return jobs.activity_failed(schedule.seq, failure, is_local=is_local)
    value = payloads.to_payload(Json.of({"z": [1, 2.5, None], "a": {"b": schedule.seq}, "list": []}))
    result = value if schedule.activity_type == "make" or not schedule.arguments else schedule.arguments[0]
    return jobs.activity_completed(schedule.seq, result, is_local=is_local)


_COMPLETIONS: dict[str, Any] = {
    "start_timer": lambda command: jobs.fire_timer(command.start_timer.seq),
    "schedule_activity": lambda command: _activity_completed(command.schedule_activity),
    "start_child_workflow_execution": None,
    "child": lambda command: jobs.child_completed(
        command.start_child_workflow_execution.seq, payloads.to_payload(Json.of("child"))
    ),
    "signal_external_workflow_execution": lambda command: jobs.signal_resolved(
        command.signal_external_workflow_execution.seq
    ),
    "request_cancel_external_workflow_execution": lambda command: jobs.cancel_resolved(
        command.request_cancel_external_workflow_execution.seq
    ),
}


# Processes --------------------------------------------------------------------------------------------------------


def run_program(seed: int) -> tuple[str, str, list[Task], list[int]]:
    """Run the program of a seed; returns its status, the problem, its tasks, and the flags of its history."""
    core = make_core(Program(seed).source(), HASH_SEED)
    server = Server(seed, core)
    try:
        status = server.run()
    except Violation as violation:
        return "violation", str(violation), [], []
    finally:
        core.evict()
    return status, "", server.tasks, core.flags


def replay_program(seed: int, tasks: list[Task], flags: list[int]) -> str:
    """Replay the program of a seed; returns the difference, or an empty string."""
    core = make_core(Program(seed).source(), random.Random(seed).getrandbits(31))
    core.flags = flags
    try:
        core.replay(tasks)
    except Violation as violation:
        return str(violation)
    finally:
        core.evict()
    return ""


def _reduce(message: Message) -> Any:
    return _parse, (type(message).DESCRIPTOR.full_name, message.SerializeToString())


def _parse(name: str, data: bytes) -> Message:
    message: Message = _MESSAGES[name].FromString(data)
    return message


_MESSAGES: dict[str, Any] = {
    kind.DESCRIPTOR.full_name: kind for kind in (WorkflowActivationJob, WorkflowCommand, Failure)
}
for _kind in _MESSAGES.values():
    copyreg.pickle(_kind, _reduce)


def _write(file: IO[bytes], item: object) -> None:
    data = pickle.dumps(item)
    file.write(struct.pack("<I", len(data)) + data)
    file.flush()


def _read(file: IO[bytes]) -> Any:
    head = file.read(4)
    return pickle.loads(file.read(struct.unpack("<I", head)[0])) if head else None


def serve() -> None:
    """Serve calls of the parent until its pipe is closed."""
    results = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # redirect the output of programs
    functions: dict[str, Any] = {"run": run_program, "replay": replay_program}
    while (call := _read(sys.stdin.buffer)) is not None:
        name, arguments = call
        _write(results, functions[name](*arguments))


def _wait(pid: int, results: IO[bytes]) -> bool:
    """Wait for the result of a process; returns false if it hangs."""
    child = psutil.Process(pid)
    used, began = sum(child.cpu_times()[:2]), time.monotonic()
    while True:
        ready, _, _ = select.select([results], [], [], 5)
        if ready:
            return True
        if sum(child.cpu_times()[:2]) - used > MAX_CPU or time.monotonic() - began > MAX_WALL:
            return False


class ChildError(Exception):
    """Raised if a child process has ended or hangs."""


class Child:
    """One of the two processes, which is restarted after a failure."""

    def __init__(self, hash_seed: int) -> None:
        self._environment = {**os.environ, "PYTHONHASHSEED": str(hash_seed)}
        self._process: subprocess.Popen[bytes] | None = None

    def call(self, name: str, *arguments: object) -> Any:
        """Call a function in the process. Raises ChildError."""
        process = self._process
        if process is None:
            command = [sys.executable, os.path.abspath(__file__), "--serve"]
            process = self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=self._environment
            )
        assert process.stdin is not None
        assert process.stdout is not None
        _write(process.stdin, (name, arguments))
        is_ready = _wait(process.pid, process.stdout)
        result = _read(process.stdout) if is_ready else None
        if result is None:
            problem = f"the process ended with exit code {process.wait()}" if is_ready else "the process hangs"
            self.close()
            raise ChildError(problem)
        return result

    def close(self) -> None:
        """Kill the process."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


@dataclass
class Finding:
    """A problem with the program of a seed."""

    seed: int
    text: str


def fuzz(seeds: range, *, progress: bool = False) -> tuple[Counter[str], list[Finding]]:
    """Run the programs of the seeds; returns the number of programs by status, and the problems."""
    statuses: Counter[str] = Counter()
    findings: list[Finding] = []
    first, second = Child(1), Child(2)
    began = time.monotonic()
    try:
        for number, seed in enumerate(seeds, 1):
            try:
                status, problem, tasks, flags = first.call("run", seed)
                problem = problem or second.call("replay", seed, tasks, flags)
            except ChildError as error:
                status, problem = "aborted", str(error)
            statuses[status] += 1
            if problem:
                findings.append(Finding(seed, problem))
                sys.stderr.write(f"seed {seed}: {problem[:2000]}\n")
            if progress and number % 100 == 0:
                rate = number / (time.monotonic() - began)
                sys.stderr.write(f"{number} programs, {rate:.1f}/s, {len(findings)} problems\n")
    finally:
        first.close()
        second.close()
    return statuses, findings


def main() -> int:
    """Run the fuzzer; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--programs", type=int, default=PROGRAMS, help="the number of programs")
    parser.add_argument("--first", type=int, default=1, help="the first seed")
    parser.add_argument("--show", type=int, help="print the program of a seed")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve()
        return 0
    if options.show is not None:
        sys.stdout.write(Program(options.show).source())
        return 0
    statuses, findings = fuzz(range(options.first, options.first + options.programs), progress=True)
    for status, count in statuses.most_common():
        sys.stdout.write(f"{count:6} {status}\n")
    sys.stdout.write(f"{len(findings)} differ, abort or hang\n")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
