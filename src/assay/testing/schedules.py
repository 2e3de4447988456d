"""Files of schedules: what a failing exploration writes, and `assay test --schedule` runs again."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from assay.errors import AssayError

FORMAT = "assay schedule 1"
"""What the first field of a schedule's file says."""


def write_schedule(folder: str, file: str, name: str, seed: int, message: str, events: Mapping[str, Any]) -> str:
    """Write a schedule beside its test file; returns the path. Raises OSError."""
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "schedule"
    path = os.path.join(folder, f"{slug}.schedule.json")
    content = {
        "format": FORMAT,
        "file": os.path.basename(file),
        "test": name,
        "seed": seed,
        "message": message,
        "events": dict(events),
    }
    with open(path, "w", encoding="utf-8") as target:
        json.dump(content, target, indent=2, ensure_ascii=False)
        target.write("\n")
    return path


@dataclass
class Recorded:
    """A schedule that was written to a file: of which test in which file, and its events."""

    file: str
    test: str
    events: dict[str, Any]


def read_schedule(path: str) -> Recorded:
    """Read a schedule's file. Raises AssayError."""
    try:
        with open(path, encoding="utf-8") as source:
            content = json.load(source)
    except OSError as error:
        raise AssayError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise AssayError(f"{path} is not a schedule: {error}") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise AssayError(f"{path} is not a schedule: its 'format' must be '{FORMAT}'")
    file, test, events = content.get("file"), content.get("test"), content.get("events")
    if not (isinstance(file, str) and isinstance(test, str) and isinstance(events, dict)):
        raise AssayError(f"{path} is not a schedule: 'file', 'test' and 'events' are expected")
    return Recorded(os.path.join(os.path.dirname(path), file), test, events)
