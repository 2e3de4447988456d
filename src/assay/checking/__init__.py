"""`assay check`: what can be said of a worker script before it runs.

`inspect.lua` describes the functions of a script that was read (lines, what they capture), `tokens.py` reads their
source, `rules.py` finds what is wrong, `check.py` puts it together.
"""
