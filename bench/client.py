"""Client benchmark: CPU time for starting 1,000 workflows, compared with the official Python SDK."""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import sysconfig
import uuid
from pathlib import Path

from assay.temporal.dev_server.server import DevServer

BENCH = Path(__file__).parent
GOAL = 1.3
OURS = (os.path.join(sysconfig.get_path("scripts"), "assay"), "run", str(BENCH / "client.lua"))
OFFICIAL = (sys.executable, str(BENCH / "official_client.py"))


def cpu(command: tuple[str, ...], address: str) -> float:
    """Run a command; returns its CPU time in seconds, including startup."""
    # With this variable Python would compile the sources at every start.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    arguments = [*command, str(uuid.uuid4())]
    pid = os.posix_spawn(command[0], arguments, {**environment, "TEMPORAL_ADDRESS": address})
    _, status, usage = os.wait4(pid, 0)
    if status != 0:
        sys.exit(f"failed: {' '.join(command)}")
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    """Run the benchmark; exit with 1 if the ratio exceeds the goal."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="run fewer rounds")
    rounds = 3 if parser.parse_args().quick else 8
    pairs = []
    with DevServer(ui=False) as server:
        cpu(OURS, server.address), cpu(OFFICIAL, server.address)  # warm-up
        for number in range(rounds):
            # Alternate the order, so that changes in the machine's speed affect both alike.
            order = (OURS, OFFICIAL) if number % 2 == 0 else (OFFICIAL, OURS)
            seconds = {command: cpu(command, server.address) for command in order}
            pairs.append((seconds[OURS], seconds[OFFICIAL]))
    ours, official = (statistics.median(column) for column in zip(*pairs, strict=True))
    ratios = sorted(one / other for one, other in pairs)
    ratio = statistics.median(ratios)
    print(f"CPU time for starting 1,000 workflows, 100 in flight; median of {rounds} rounds")
    print(f"  official Python client  {official:6.2f} s")
    print(f"  assay                   {ours:6.2f} s")
    print(f"  ratio                   {ratio:6.2f}     ({ratios[0]:.2f} to {ratios[-1]:.2f}; goal: at most {GOAL})")
    if ratio > GOAL:
        sys.exit(1)


if __name__ == "__main__":
    main()
