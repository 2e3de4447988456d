"""A Lua runtime in which a plain Lua function is a durable Temporal workflow."""

__version__ = "0.1.0"
