"""Metrics of several processes in one document."""

from __future__ import annotations

from assay.cli.processes.exposition import merge

ONE = '# HELP jobs Jobs\n# TYPE jobs counter\njobs{process="1"} 3\n# TYPE size gauge\nsize{process="1"} 1\n'
TWO = '# HELP jobs Jobs\n# TYPE jobs counter\njobs{process="2"} 4\n'


def test_each_metric_is_described_once_and_has_all_samples() -> None:
    assert merge([ONE, TWO]) == (
        '# HELP jobs Jobs\n# TYPE jobs counter\njobs{process="1"} 3\njobs{process="2"} 4\n'
        '# TYPE size gauge\nsize{process="1"} 1\n'
    )


def test_a_process_without_metrics_adds_nothing() -> None:
    assert merge([TWO, ""]) == TWO
