"""Lua benchmark: JSON compared with Python's `json`, and pure computation compared with the `lua5.4` interpreter."""

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
"""Target speeds, relative to the reference."""

FLOORS = {"parse": 0.6, "encode": 0.6, "compute": 0.7}
"""Minimum speeds, relative to the reference; below them the benchmark fails."""


def document() -> list[dict[str, Any]]:
    """Return a document like the response of a list API: strings, numbers, escapes, nested objects."""
    rng = random.Random(5)
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
                    "replicas": rng.randrange(10),
                    "price": round(rng.random() * 100, 2),
                    "tags": ["a", "bé"],
                },
                "status": {
                    "ready": rng.random() < 0.9,
                    "message": f'All is "good", says {number}',
                    "load": [round(rng.random(), 3) for _ in range(3)],
                    "conditions": [{"type": kind, "status": "True"} for kind in ("Ready", "Live")],
                },
            }
        )
        size += len(json.dumps(items[-1], ensure_ascii=False, separators=(",", ":")).encode()) + 1
    return items


def cpu(call: Callable[[], Any]) -> float:
    """Return the CPU time of a call in seconds."""
    begin = time.process_time()
    call()
    return time.process_time() - begin


def lua(program: list[str], *arguments: str) -> list[float]:
    """Run the Lua script; returns the CPU seconds that it prints."""
    result = subprocess.run([*program, str(SCRIPT), *arguments], capture_output=True, text=True, check=True)
    return [float(word) for word in result.stdout.split()]


def report(name: str, title: str, ours: list[float], theirs: list[float], other: str) -> bool:
    """Print a line of results; returns true if the speed is not below the floor."""
    ratio = statistics.median(b / a for a, b in zip(ours, theirs, strict=True))
    own, reference = statistics.median(ours), statistics.median(theirs)
    verdict = "reached" if ratio >= GOALS[name] else "not reached" if ratio >= FLOORS[name] else "BELOW THE FLOOR"
    print(
        f"  {title:<20}{own * 1000:>6.0f} ms   {other:<7}{reference * 1000:>6.0f} ms   "
        f"relative speed {ratio:.2f}   goal {GOALS[name]}: {verdict}"
    )
    return ratio >= FLOORS[name]


def main() -> None:
    """Run the benchmark; exit with 1 if a speed is below its floor."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="run fewer rounds")
    rounds = 2 if parser.parse_args().quick else 7
    value = document()
    gc.freeze()  # exclude the benchmark's own objects from garbage collection
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
    print(f"Lua, CPU time, median of {rounds} rounds; {len(text.encode()) / 1e6:.1f} MB of JSON")
    passed = [
        report("parse", "JSON, parse", ours["parse"], theirs["parse"], "Python"),
        report("encode", "JSON, encode", ours["encode"], theirs["encode"], "Python"),
    ]
    if reference:
        passed.append(report("compute", "computation", ours["compute"], theirs["compute"], "lua5.4"))
    else:
        print("  computation         skipped: lua5.4 is not installed")
    if not all(passed):
        sys.exit(1)


if __name__ == "__main__":
    main()
