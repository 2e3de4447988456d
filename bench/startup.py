"""Startup benchmark: `assay exec -e 'print(1)'` compared with `python3 -c pass`."""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import sysconfig
import time

LIMIT = 3.0
ASSAY = os.path.join(sysconfig.get_path("scripts"), "assay")
PYTHON = [sys.executable, "-c", "pass"]
SCRIPT = [ASSAY, "exec", "-e", "print(1)"]


def wall(command: list[str]) -> float:
    """Run a command; returns its wall time in seconds."""
    # With this variable Python would compile the sources at every start.
    environment = {name: text for name, text in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    output = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    begin = time.perf_counter()
    child = os.posix_spawn(command[0], command, environment, file_actions=output)
    _, status = os.waitpid(child, 0)
    seconds = time.perf_counter() - begin
    if status != 0:
        sys.exit(f"failed: {' '.join(command)}")
    return seconds


def main() -> None:
    """Run the benchmark; exit with 1 if the ratio exceeds the limit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="run fewer rounds")
    rounds = 10 if parser.parse_args().quick else 60
    wall(PYTHON), wall(SCRIPT)  # warm-up
    pairs = [(wall(PYTHON), wall(SCRIPT)) for _ in range(rounds)]
    python, script = (statistics.median(column) for column in zip(*pairs, strict=True))
    print(f"startup, wall time, median of {rounds} rounds")
    print(f"  python3 -c pass           {python * 1000:6.1f} ms")
    print(f"  assay exec -e 'print(1)'  {script * 1000:6.1f} ms")
    print(f"  ratio                     {script / python:6.2f}     (goal: at most {LIMIT})")
    if script / python > LIMIT:
        sys.exit(1)


if __name__ == "__main__":
    main()
