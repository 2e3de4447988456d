"""The Lua side: JSON against Python's `json`, and a loop that only computes against the `lua5.4` program."""

from __future__ import annotations

import argparse
import gc
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ASSAY = os.path.join(sysconfig.get_path("scripts"), "assay")
SCRIPT = Path(__file__).with_suffix(".lua")
MEGABYTES = 5
GOALS = {"parse": 1.0, "encode": 1.0, "compute": 0.9}
"""The speed, as a part of the other side's, that is aimed at."""
FLOORS = {"parse": 0.6, "encode": 0.6, "compute": 0.7}
"""The speed below which something has gone wrong."""


def document() -> list[dict[str, Any]]:
    """Return what an API that lists things may answer: texts, numbers, some escapes, tables in tables."""
    chance = random.Random(5)
    items: list[dict[str, Any]] = []
    size = 0
    while size < MEGABYTES * 1_000_000:
        number = len(items)
        items.append(
            {
                "id": number,
                "metadata": {
                    "name": f"pod-{number}",
                    "namespace": "default",
                    "labels": {"app": "web", "tier": "front"},
                },
                "spec": {
                    "replicas": chance.randrange(10),
                    "price": round(chance.random() * 100, 2),
                    "tags": ["a", "bé"],
                },
                "status": {
                    "ready": chance.random() < 0.9,
                    "message": f'All is "good", says {number}',
                    "load": [round(chance.random(), 3) for _ in range(3)],
                    "conditions": [{"type": kind, "status": "True"} for kind in ("Ready", "Live")],
                },
            }
        )
        size += len(json.dumps(items[-1], ensure_ascii=False, separators=(",", ":")).encode()) + 1
    return items


def cpu(call: Callable[[], Any]) -> float:
    """Seconds of CPU that a call takes."""
    begin = time.process_time()
    call()
    return time.process_time() - begin


def lua(program: list[str], *arguments: str) -> list[float]:
    """Run the Lua script; returns the seconds of CPU that it prints."""
    result = subprocess.run([*program, str(SCRIPT), *arguments], capture_output=True, text=True, check=True)
    return [float(word) for word in result.stdout.split()]


def report(name: str, title: str, ours: list[float], theirs: list[float], other: str) -> bool:
    """Print one line; returns whether the speed is above the floor."""
    ratio = statistics.median(b / a for a, b in zip(ours, theirs, strict=True))
    mine, reference = statistics.median(ours), statistics.median(theirs)
    told = "reached" if ratio >= GOALS[name] else "not reached" if ratio >= FLOORS[name] else "FAR FROM IT"
    print(
        f"  {title:<20}{mine * 1000:>6.0f} ms   {other:<7}{reference * 1000:>6.0f} ms   "
        f"speed {ratio:.2f} of it   goal {GOALS[name]}: {told}"
    )
    return ratio >= FLOORS[name]


def main() -> None:
    """Measure in turns and print; fails when something is below its floor."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few rounds")
    rounds = 2 if parser.parse_args().quick else 7
    value = document()
    gc.freeze()  # what is only kept for the measuring costs Python no collections
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    ours: dict[str, list[float]] = {"parse": [], "encode": [], "compute": []}
    theirs: dict[str, list[float]] = {"parse": [], "encode": [], "compute": []}
    reference = shutil.which("lua5.4")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "document.json"
        path.write_text(text, encoding="utf-8")
        for _ in range(rounds):
            parse, encode = lua([ASSAY, "run"], "json", str(path))
            ours["parse"].append(parse)
            ours["encode"].append(encode)
            theirs["parse"].append(cpu(lambda: json.loads(text)))
            theirs["encode"].append(
                cpu(lambda: json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True))
            )
            if reference:
                ours["compute"] += lua([ASSAY, "run"], "compute")
                theirs["compute"] += lua([reference], "compute")
    print(f"Lua, CPU, median of {rounds} rounds in turns; {len(text.encode()) / 1e6:.1f} MB of JSON")
    fine = [
        report("parse", "JSON, parse", ours["parse"], theirs["parse"], "Python"),
        report("encode", "JSON, encode", ours["encode"], theirs["encode"], "Python"),
    ]
    if reference:
        fine.append(report("compute", "a computing loop", ours["compute"], theirs["compute"], "lua5.4"))
    else:
        print("  a computing loop    skipped: there is no lua5.4")
    if not all(fine):
        sys.exit(1)


if __name__ == "__main__":
    main()
