"""The history of a run as a timeline: entries with times and results, read from a file or a server.

`assay.cli.timeline` formats it; the lines of the script come from `assay.temporal.replay`.
"""
