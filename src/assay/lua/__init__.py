"""The Lua host: one Lua state, what it may call, and the tasks that run in it. It knows no builtin and no Temporal.

`state.py` is the only file that knows lupa, `host/` the private Lua side, which every state has. `host.py` puts
the parts together: `callbacks.py` (what Lua calls), `policy.py` (whether it may), `objects.py` (handles),
`outcomes.py` (results and errors), `spawned.py` and `services.py`. `declare.py` makes a library of typed functions:
`arguments.py` and `convert.py` read what a script passes, `registry.py` describes it to Lua, `reference.py` and
`annotations.py` to people and editors.
"""
