"""`assay check`: static analysis of scripts.

`syntax.py` parses the source and `scopes.py` resolves its variables; `state.py` inspects the script's Lua state after
the script has run up to its worker. A `Body` is a function or a chunk that combines both views. `names.py` has the
rules for all code, `rules.py` those for workflows, `signals.py` the rule across files. `registered.py` and
`environments.py` read workers and test environments from source alone. `functions.py` and `check.py` apply the rules;
`keywords.py` explains syntax errors.
"""
