"""Replay of recorded histories against a script's workflows.

`engine.py` replays and finds divergences, `feed.py` passes histories to Core, `steps.py` reduces events and commands to
comparable steps, `differences.py` compares what Core does not. `sources.py` and `open_runs.py` supply histories;
`integrity.py` and `extent.py` examine them; `show.py` formats a divergence.
"""
