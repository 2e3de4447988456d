"""`assay debug`: a step debugger that speaks the Debug Adapter Protocol (DAP) on standard input and output.

`wire.py` frames the messages, `launch.py` reads a launch request, `session.py` answers the others, `breakpoints.py` and
`events.py` know where to stop, `output.py` sends what the program prints. The Lua side (`values.lua`,
`frames.lua`, `expressions.lua`, `stops.lua`) is loaded into each state that is debugged and calls `inside.py`.
`replay.py` debugs the replay of a run, and `passes.py` makes it go back.

A stop blocks the thread that runs Lua inside the hook: the Lua side asks the session for the next request, answers it,
and asks again, until one lets the program continue. So nothing ever calls into a state that is busy. Requests that need
no state are answered by the thread that reads them.
"""
