"""`assay debug`: a step debugger that speaks the Debug Adapter Protocol (DAP) on standard input and output.

`wire.py` reads and writes messages, `launch.py` parses launch requests, `session.py` handles all other requests,
`breakpoints.py` and `events.py` resolve breakpoints, and `output.py` forwards the program's output. The Lua side
(`values.lua`, `frames.lua`, `expressions.lua`, `positions.lua`, `stops.lua`, `errors.lua`) is loaded into each debugged
state; its callbacks are in `callbacks.py`. `replay.py` debugs the replay of a run, and `passes.py` implements stepping
back.

A stop blocks the thread that runs Lua inside the hook: the Lua side fetches the next request from the session, answers
it, and repeats until a request continues the program. So nothing ever calls into a busy state. Requests that need no
state are answered by the thread that reads them.
"""
