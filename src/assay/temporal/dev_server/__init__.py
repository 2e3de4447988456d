"""The embedded Temporal server of `assay dev` and of the tests: a child process that ends with its parent."""
