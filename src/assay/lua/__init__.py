"""The Lua host: a Lua state, its callbacks into Python, and its tasks. Independent of builtins and of Temporal.

`state.py` is the only file that uses lupa; `host/` is the private Lua side of every state. `host.py` combines
`callbacks.py` (Python functions that Lua calls), `policy.py` (which of them are allowed), `objects.py` (handles),
`outcomes.py` (results and errors), `spawned.py` and `services.py`. `declare.py` turns typed functions into a library:
`arguments.py` and `convert.py` convert arguments, `registry.py` describes the library to Lua, `reference.py` and
`annotations.py` generate documentation and editor annotations.
"""
