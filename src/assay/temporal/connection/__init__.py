"""Connections to a Temporal server.

`options.py` has the connection options, `configuration.py` combines them with Temporal's environment configuration, and
`tls.py` reads certificates. `connect.py` makes connections and shares them between clients and workers; `errors.py`
explains why a connection failed.
"""
