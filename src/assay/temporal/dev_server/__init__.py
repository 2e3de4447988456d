"""The embedded Temporal server for `assay dev` and tests: a child process that ends with its parent."""
