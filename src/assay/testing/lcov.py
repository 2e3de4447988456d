"""Coverage as an lcov tracefile, for CI systems and editors."""

from __future__ import annotations

from collections.abc import Iterable

from assay.testing.coverage import FileCoverage


def write(path: str, files: Iterable[FileCoverage]) -> None:
    """Write the coverage to a file. Raise OSError."""
    lines = []
    for file in files:
        lines += ["TN:", f"SF:{file.path}"]
        lines += [f"DA:{line},{int(line in file.hit)}" for line in sorted(file.lines)]
        lines += [f"LF:{len(file.lines)}", f"LH:{len(file.hit)}", "end_of_record"]
    with open(path, "w", encoding="utf-8") as output:
        output.writelines(line + "\n" for line in lines)
