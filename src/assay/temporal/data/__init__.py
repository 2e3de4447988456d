"""Data on its way between Lua and Temporal: failures, in the server's own form."""
