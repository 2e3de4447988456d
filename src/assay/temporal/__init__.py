"""Temporal for Lua. Imported when a script first uses `temporal`.

`library.py` and `activity.py` are the globals; `client/` and `rest/` call the server, `worker/` serves a script's
activities and workflows, `workflow/` runs workflows. `replay/` and `timeline/` read histories. Below them are `core/`
(Temporal's Core), `connection/`, `telemetry/` and `data/`; `dev_server/` starts an embedded server.
"""
