"""Ctrl-C in a command that has something to put right before it ends: a screen, child processes."""

from __future__ import annotations

import signal

EXIT_INTERRUPTED = 128 + signal.SIGINT


def make_interruptible() -> None:
    """Let Ctrl-C raise KeyboardInterrupt from now on; `commands.main` ends the process with its exit code."""
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
