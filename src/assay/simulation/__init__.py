"""A Temporal server and a worker, simulated in the process: runs of workflows in virtual time, under chosen schedules.

`World` (`world.py`) runs one schedule: it has the clock, the messages (`arrivals.py`) and the `Execution`s
(`execution.py`, the server's side of a run), each with a `Core` (`core.py`, the worker's side). Whatever could go one
way or another is asked of `Choices` (`choices.py`), so that a schedule is the list of what was chosen, and the same
list gives the same run. `search.py` looks for schedules that fail, `shrink.py` makes one small. Nothing here knows of
threads, files or the real clock. What is not simulated raises `Unsupported`.
"""
