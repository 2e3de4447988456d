"""What a worker shows of itself to those who watch it: spans."""
