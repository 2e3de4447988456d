"""The globals of scripts. Each file or folder declares one global with `assay.lua.declare`.

The exception is `websocket/`, which `http` and `ws` share.
"""
