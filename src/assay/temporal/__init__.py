"""Temporal for Lua: the client, the worker and the workflow side, on the official SDK's public API.

Imported when a script first uses `temporal`.
"""
