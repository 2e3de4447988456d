"""`assay run --processes`: one script in several processes, which share a task queue, ports and addresses.

`supervisor.py` starts the processes, passes signals on and starts again what dies. It imports neither the script nor
the SDK. Each process runs `member.py`, and has a connection to the supervisor: `link.py` is its end, `child.py` the
supervisor's. `fleet.py` is what is known of all of them; `endpoints.py` answers for all at the addresses of the
script's health and metrics, which `exposition.py` merges. `cores.py` says how many processes `auto` means.
"""
