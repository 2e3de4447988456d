"""`assay test`: the global `test`, workflows in an environment with time skipping, and the run of test files.

`file.py` runs one file in a process of its own and reports each test as a line of JSON; `runner.py` starts those
processes; what people see is `assay.cli.test`.
"""
