"""Connections to a Temporal server.

`options.py` has the connection options, `configuration.py` combines them with Temporal's environment configuration,
`sources.py` names what set a value, `tls.py` reads certificates and `certificates.py` checks them. `connect.py` makes
connections and shares them between clients and workers; `errors.py` explains why a connection failed.
"""
