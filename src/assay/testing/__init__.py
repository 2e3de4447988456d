"""`assay test`: the global `test`, environments with time skipping, and the test runner.

`runner.py` starts a process for each test file; `file.py` runs in it and reports each test as a line of JSON.
`assay.cli.test` prints the results.
"""
