"""Workers: the loops between Temporal's Core and the workflows, activities and Nexus services of a script.

Setup: `worker.py` is the handle that a script gets, `options.py` and `tuning.py` define its options, `config.py`
converts them to Core's configuration, and `preflight.py` checks the namespace and the task queue before the first poll.
`registration.py` reads a script for tools: there `temporal.worker` only registers.

Task processing: `loops.py` polls and drains on the worker's thread. `workflows.py` passes activations to runs, and
`idle.py` shrinks runs that wait. `activities.py` starts and cancels attempts (`attempt.py`) on the script's loop,
`nexus.py` does the same for Nexus operations, and `side_effects.py` calls back into runs. `codec.py` decrypts and
encrypts payloads, `stopping.py` interrupts activities that compute after their attempt was cancelled.

Health: `health.py` serves `/livez` and `/readyz`; `outage.py` reports a server that is unreachable or rejects the
worker.
"""
