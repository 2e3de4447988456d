"""The deterministic side: what runs inside a workflow.

`instance` is the seam to the SDK (one class per registered workflow), `host` the Lua state of a run, `context` what
Lua calls as `ctx`, `deterministic.lua` what replaces clock, randomness and hash order.
"""
