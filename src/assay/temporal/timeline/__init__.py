"""A run as a timeline: its history as entries with times and outcomes (`entries.py`), read from a file or a server.

What is shown of it is `assay.cli.timeline`; the lines of the script come from `assay.temporal.replay`.
"""
