"""Temporal's Core: the only package that imports `temporalio.bridge`, which is a private part of the SDK.

`bridge.py` creates Core workers, `config.py` has their configuration, and `protos.py` re-exports the messages that Core
exchanges with the language side. `pyproject.toml` pins an exact version of `temporalio`;
`tests/temporal/test_core_contract.py` fails when a new version changes the bridge. `docs/architecture.md` describes how
to upgrade.
"""
