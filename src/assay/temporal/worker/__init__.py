"""A worker: the loops between Temporal's Core and what a script registers.

`worker.py` is the handle that a script holds, `options.py` (with `tuning.py`) its option table, `config.py` what Core is
told of it. `loops.py` polls and drains, on a thread of the worker: `workflows.py` hands activations to runs,
`activities.py` starts and cancels attempts (`attempt.py`) of activities on the script's loop, `nexus.py` does the same
for Nexus operations. `codec.py` and `spans.py` see payloads and headers on their way when there is a codec or a trace.
`outage.py` reports a server that cannot be reached or that refuses the worker.
"""
