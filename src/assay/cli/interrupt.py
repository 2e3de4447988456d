"""Ctrl-C in a command that has something to put right before it ends: a screen, child processes."""

from __future__ import annotations

import os
import select
import signal
import sys
import threading

EXIT_INTERRUPTED = 128 + signal.SIGINT
_SHOW_CURSOR = "\x1b[?25h"


def make_interruptible(*, patience: float | None = None) -> None:
    """Let Ctrl-C raise KeyboardInterrupt from now on; `commands.main` ends the process with its exit code.

    The main thread hears of nothing while a script computes in it. With a `patience` the process ends all the same,
    after so many seconds or at the next Ctrl-C.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        return
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if patience is not None:
        inbox, outbox = os.pipe()
        os.set_blocking(outbox, False)
        signal.set_wakeup_fd(outbox, warn_on_full_buffer=False)
        threading.Thread(target=_end, args=(inbox, patience), name="assay-interrupt", daemon=True).start()


def _end(inbox: int, patience: float) -> None:
    while os.read(inbox, 1)[0] != signal.SIGINT:
        pass
    select.select([inbox], [], [], patience)
    if sys.stderr is not None and sys.stderr.isatty():
        sys.stderr.write(_SHOW_CURSOR)  # a progress bar hides it
        sys.stderr.flush()
    os._exit(EXIT_INTERRUPTED)
