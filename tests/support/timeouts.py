"""Maximum time that tests wait for a condition."""

TIMEOUT = 180.0
"""Maximum wait, in seconds: generous, as no test fails because the machine is busy."""
