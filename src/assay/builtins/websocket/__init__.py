"""WebSocket connections, shared by `http`, which accepts them, and `ws`, which opens them.

`connection.py` is the connection that Lua sees; `sockets.py` and `frames.py` enforce parts of the protocol that aiohttp
does not check.
"""
