"""The number of processes of `--processes auto`."""

from __future__ import annotations

from pathlib import Path

import pytest

from assay.cli.processes.cores import cpu_limit


@pytest.mark.parametrize(("text", "limit"), [("200000 100000\n", 2.0), ("50000 100000\n", 0.5), ("max 100000\n", None)])
def test_the_limit_of_a_container_counts(tmp_path: Path, text: str, limit: float | None) -> None:
    folder = tmp_path / "sys/fs/cgroup"
    folder.mkdir(parents=True)
    (folder / "cpu.max").write_text(text)
    assert cpu_limit(tmp_path) == limit


@pytest.mark.parametrize(("quota", "limit"), [("150000\n", 1.5), ("-1\n", None)])
def test_the_limit_of_an_older_kernel_counts(tmp_path: Path, quota: str, limit: float | None) -> None:
    folder = tmp_path / "sys/fs/cgroup/cpu"
    folder.mkdir(parents=True)
    (folder / "cpu.cfs_quota_us").write_text(quota)
    (folder / "cpu.cfs_period_us").write_text("100000\n")
    assert cpu_limit(tmp_path) == limit


def test_without_control_groups_there_is_no_limit(tmp_path: Path) -> None:
    assert cpu_limit(tmp_path) is None
