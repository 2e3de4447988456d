"""`ctx`, what a workflow function gets: one file per topic, each method a command or something to wait for."""
