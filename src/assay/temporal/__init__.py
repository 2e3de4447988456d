"""Temporal for Lua. Imported when a script first uses `temporal`.

`library.py` and `activity.py` define the globals; `client/` and `rest/` call the server, `worker/` runs a script's
activities and workflows, `workflow/` is the workflow engine. `replay/` and `timeline/` read histories. All of them use
`core/` (Temporal's Core), `connection/`, `telemetry/` and `data/`. `dev_server/` starts an embedded server.
"""
