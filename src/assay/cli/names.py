"""Names shared by several modules: commands, the prefixes of permission options, an environment variable."""

from __future__ import annotations

COMMANDS = (
    *("check", "codec-server", "completion", "context", "debug", "deploy", "dev", "doctor", "exec"),
    *("health", "help", "modules", "new", "repl", "replay"),
    *("run", "test", "types", "version", "workflow"),
)
"""Names of the commands. Each is the attribute `command` of the module with its name (`-` becomes `_`)."""

SANDBOX_OPTIONS = ("--sandbox", "--allow-", "--permissions")
"""Prefixes of the permission options."""

SOURCES = "ASSAY_SOURCES"
"""Environment variable with the file in which `assay.cli.reloading.sources` records the files of a script."""
