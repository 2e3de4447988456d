"""Names that several commands share: what a command line can begin with, and an environment variable."""

from __future__ import annotations

COMMANDS = (
    *("check", "codec-server", "completion", "context", "debug", "deploy", "dev", "doctor", "exec"),
    *("health", "help", "modules", "new", "repl", "replay"),
    *("run", "test", "types", "version", "workflow"),
)
"""The commands; each is the attribute `command` of the module of its name, which has `_` for `-`."""

SANDBOX_OPTIONS = ("--sandbox", "--allow-", "--permissions")
"""What the options begin with that say what a script may do."""

SOURCES = "ASSAY_SOURCES"
"""The environment variable that names the file for notes of `assay.cli.reloading.sources`."""
