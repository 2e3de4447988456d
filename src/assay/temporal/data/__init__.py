"""Data exchanged with the server: payloads and their encryption, failures, search attributes, times, option tables.

This package is independent of connections and of the workflow engine.
"""
