"""The sandbox: everything in Lua that makes a workflow's state deterministic and limited.

Clock, random numbers, the order of keys and the text of values are the workflow's own; CPU, memory and the depth of
calls have limits that no script can catch.
"""
