"""Ctrl-C in a command that must clean up before it ends: the terminal, child processes."""

from __future__ import annotations

import os
import select
import signal
import sys
import threading

EXIT_INTERRUPTED = 128 + signal.SIGINT
_SHOW_CURSOR = "\x1b[?25h"


def make_interruptible(*, grace_period: float | None = None) -> None:
    """Make Ctrl-C raise KeyboardInterrupt; `commands.main` then ends the process with the exit code for it.

    The main thread does not run signal handlers while it runs Lua. With a `grace_period` the process ends anyway, after
    that many seconds or at the next Ctrl-C.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        return
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if grace_period is not None:
        inbox, outbox = os.pipe()
        os.set_blocking(outbox, False)
        signal.set_wakeup_fd(outbox, warn_on_full_buffer=False)
        threading.Thread(target=_end, args=(inbox, grace_period), name="assay-interrupt", daemon=True).start()


def _end(inbox: int, grace_period: float) -> None:
    while os.read(inbox, 1)[0] != signal.SIGINT:
        pass
    select.select([inbox], [], [], grace_period)
    if sys.stderr is not None and sys.stderr.isatty():
        sys.stderr.write(_SHOW_CURSOR)  # a progress bar hides it
        sys.stderr.flush()
    os._exit(EXIT_INTERRUPTED)
