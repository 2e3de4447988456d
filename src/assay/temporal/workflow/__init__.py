"""Workflows: an activation of Core comes in, commands go out.

`runs` keeps the runs of a worker, `run/` is the engine of one run, `ctx/` what a workflow function calls as `ctx`, and
`sandbox/` the Lua state that can do nothing a replay could not repeat. Imports go in this order.
"""
