"""Schedule files, which a failing exploration writes and `assay test --schedule` runs again."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from assay.errors import AssayError

FORMAT = "assay schedule 1"
"""Value of `format` in a schedule file."""


def write_schedule(folder: str, file: str, name: str, seed: int, message: str, events: Mapping[str, Any]) -> str:
    """Write a schedule next to its test file, and return the path. Raise OSError."""
    path = os.path.join(folder, f"{_slug(name)}.schedule.json")
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


def write_histories(folder: str, name: str, histories: Iterable[str]) -> str:
    """Write the histories of the runs next to the test file; return the path of the first one. Raise OSError."""
    for number, history in enumerate(histories, 1):
        path = os.path.join(folder, f"{_slug(name)}.history{'' if number == 1 else f'-{number}'}.json")
        with open(path, "w", encoding="utf-8") as target:
            target.write(history + "\n")
    return os.path.join(folder, f"{_slug(name)}.history.json")


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "schedule"


@dataclass
class RecordedSchedule:
    """A schedule from a file: the test file, the name of the test, and the events."""

    file: str
    test: str
    events: dict[str, Any]


def read_schedule(path: str) -> RecordedSchedule:
    """Read a schedule file. Raise AssayError."""
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
        raise AssayError(f"{path} is not a schedule: expected 'file', 'test' and 'events'")
    return RecordedSchedule(os.path.join(os.path.dirname(path), file), test, events)
