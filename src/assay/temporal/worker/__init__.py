"""A worker: the loops between Temporal's Core and what a script registers.

`worker.py` is the handle that a script holds, `options.py` (with `tuning.py`) its option table, `config.py` makes
Core's configuration of it, `reception.py` asks the server before the first poll.

`loops.py` polls and drains, on a thread of the worker: `workflows.py` hands activations to runs, `activities.py` starts
and cancels attempts (`attempt.py`) on the script's loop, `nexus.py` does the same for Nexus operations,
`side_effects.py` calls back into runs. `codec.py` opens and seals payloads on their way when there is a codec.
`outage.py` reports a server that cannot be reached or that refuses the worker.
"""
