"""The sandbox: the Lua state of a workflow run, which is deterministic and limited.

Clock, random numbers, the order of table keys and the results of `tostring` repeat on replay (`deterministic.lua`).
CPU, memory and call depth have limits that scripts cannot catch (`limits.py`, `limits.lua`). `policy.py` decides what
calls of builtins do. `copying.py` runs query handlers, validators and side effects on copies of the state.
"""
