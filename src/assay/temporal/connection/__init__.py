"""Connections to a Temporal server: their options, the environment that fills in what these leave out, TLS, and errors.

`connect.py` makes connections and shares them between clients and workers; `errors.py` explains why one failed.
"""
