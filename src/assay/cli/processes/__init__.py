"""`assay run --processes`: one script in several processes that share task queues, ports and addresses.

`supervisor.py` starts the processes, forwards signals and restarts processes that die. It imports neither the script
nor the SDK. Each process runs `member.py` and is connected to the supervisor: `link.py` is its end of the connection,
`child.py` the supervisor's. `fleet.py` is the state of all processes. `endpoints.py` serves health and metrics for all
of them; `exposition.py` merges the metrics. `cores.py` counts the usable cores, for `auto`.
"""
