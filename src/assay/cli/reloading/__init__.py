"""A script that is replaced when its files change: `assay dev`, and `assay run --watch`.

`reload.py` watches the files and replaces the process; `probe.py` is the process that tries changed code first;
`display.py` says what the news are shown on, and `children.py` starts processes.
"""
