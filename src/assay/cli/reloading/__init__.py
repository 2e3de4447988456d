"""Reloads a script when its files change, for `assay dev` and `assay run --watch`.

`reload.py` watches the files and replaces the script's process. `probe.py` is a process that tests changed code first.
`display.py` is the interface for output and notices, `sources.py` records the files of a script, and `children.py`
starts processes.
"""
