"""Temporal's Core: the only place that imports `temporalio.bridge`, which is not a public interface of the SDK.

`bridge.py` makes a worker, `config.py` says what such a worker is made of, and
`protos.py` are the messages between the two. `temporalio` is pinned exactly in `pyproject.toml`, and
`tests/temporal/test_core_contract.py` says what a new version changes; `docs/architecture.md` has the steps.
"""
