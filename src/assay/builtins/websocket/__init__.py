"""WebSockets, below `http`, which accepts them, and `ws`, which opens them: no global of its own.

`connection.py` is an open one, as Lua sees it; `sockets.py` and `frames.py` hold aiohttp to the protocol where it is
lenient.
"""
