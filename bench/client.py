"""The client against the official Python SDK's: CPU of a process that starts 1,000 workflows, in turns."""

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
    """Run a command to its end; returns the seconds of CPU that it took, its start included."""
    # With this variable set, Python compiles sources at each start that a user's Python compiles once.
    kept = {name: text for name, text in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    arguments = [*command, str(uuid.uuid4())]
    pid = os.posix_spawn(command[0], arguments, {**kept, "TEMPORAL_ADDRESS": address})
    _, status, usage = os.wait4(pid, 0)
    if status != 0:
        sys.exit(f"failed: {' '.join(command)}")
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    """Measure and print; fails when the ratio is over the goal."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few rounds")
    rounds = 3 if parser.parse_args().quick else 8
    pairs = []
    with DevServer(ui=False) as server:
        cpu(OURS, server.address), cpu(OFFICIAL, server.address)  # fills the caches
        for number in range(rounds):
            # Who goes first changes, so that a machine that gets slower or faster favours nobody.
            sides = (OURS, OFFICIAL) if number % 2 == 0 else (OFFICIAL, OURS)
            seconds = {side: cpu(side, server.address) for side in sides}
            pairs.append((seconds[OURS], seconds[OFFICIAL]))
    ours, official = (statistics.median(column) for column in zip(*pairs, strict=True))
    ratios = sorted(mine / theirs for mine, theirs in pairs)
    ratio = statistics.median(ratios)
    print(f"CPU of a process that starts 1,000 workflows, 100 in flight; median of {rounds} rounds in turns")
    print(f"  official Python client  {official:6.2f} s")
    print(f"  assay                   {ours:6.2f} s")
    print(f"  ratio                   {ratio:6.2f}     ({ratios[0]:.2f} to {ratios[-1]:.2f}; at most {GOAL})")
    if ratio > GOAL:
        sys.exit(1)


if __name__ == "__main__":
    main()
