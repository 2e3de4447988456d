"""How long tests wait for a condition before they fail."""

TIMEOUT = 180.0
"""Maximum wait, in seconds: generous, as no test fails because the machine is busy."""
