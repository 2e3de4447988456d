"""The `ctx` API of workflow functions, one file per topic. Most methods send a command or wait for a result."""
