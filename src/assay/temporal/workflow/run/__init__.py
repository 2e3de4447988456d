"""The engine of a workflow run. `run.Run` takes activations of Core and returns commands.

`jobs` applies the jobs of an activation, `messages` delivers signals, updates and queries, `mailbox` buffers signals.
`fibers` runs Lua coroutines, which wait for `entries`: `timers`, and `commands` such as activities and child workflows.
`outbound` collects the commands, `scopes` are cancelled together, `patches` and `flags` version behavior.
"""
