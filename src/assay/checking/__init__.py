"""`assay check`: the faults of a script that can be found before it runs.

`syntax.py` reads the source and `scopes.py` its variables; `state.py` describes what exists once the script was run as
far as its worker. A `Body` is a function or a chunk seen through both. `names.py` has the rules for all code,
`rules.py` those for workflows, `registered.py` and `environments.py` what the source alone says of workers and tests,
`signals.py` the rule across files; `functions.py` and `check.py` apply them. `keywords.py` explains syntax errors.
"""
