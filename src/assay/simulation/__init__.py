"""A simulated Temporal server and worker: workflows run in virtual time, under a chosen order of events.

`World` (`world.py`) runs one schedule. It has the clock, the messages (`arrivals.py`) and the runs: an `Execution`
(`execution.py`) is the server's side of a run, a `Core` (`core.py`) the worker's side. `Choices` (`choices.py`) makes
each decision. A schedule consists of the decisions that differ from the default; the same schedule gives the same run.
`search.py` finds schedules that fail, `shrink.py` reduces them. Nothing here uses threads, files or the real clock.
Features that are not simulated raise `Unsupported`.
"""
