"""The engine of a run: `run.Run` takes activations and gives back commands.

`fibers` carries its Lua coroutines from wait to wait, `entries` are what they wait for, `scopes` what is cancelled
together, `messages` what comes from outside.
"""
