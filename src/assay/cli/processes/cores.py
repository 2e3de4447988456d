"""Number of cores that this process may use."""

from __future__ import annotations

import math
import os
from pathlib import Path

_CGROUP_2 = "/sys/fs/cgroup/cpu.max"
_CGROUP_1 = ("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "/sys/fs/cgroup/cpu/cpu.cfs_period_us")


def usable_cores() -> int:
    """Return the number of cores of the machine, limited by the CPU affinity and the container's CPU limit."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    limit = cpu_limit(Path("/"))
    return cores if limit is None else max(1, min(cores, math.ceil(limit)))


def cpu_limit(root: Path) -> float | None:
    """Return the CPU limit of the control group in cores, or None.

    Args:
        root: Folder that contains `sys/fs/cgroup`.
    """
    try:
        quota, period = (root / _CGROUP_2[1:]).read_text().split()
    except (OSError, ValueError):
        try:
            quota, period = ((root / name[1:]).read_text().strip() for name in _CGROUP_1)
        except OSError:
            return None
    if not (quota.isdigit() and period.isdigit()):  # "max", or -1
        return None
    return int(quota) / int(period)
