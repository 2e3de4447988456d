"""Workflow execution: activations from Core in, commands out.

`runs` holds the cached runs of a worker, `ctx/` is the API that workflow functions call as `ctx`, `run/` is the engine
of one run, and `sandbox/` is the deterministic Lua state of a run. Imports go in this order.
"""
