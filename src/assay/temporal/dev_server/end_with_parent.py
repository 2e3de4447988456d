"""Execute a command that the kernel terminates when its parent process ends for any reason (Linux).

Usage: end_with_parent.py PARENT COMMAND [ARGS]..., where PARENT is the id of the parent process.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1

if __name__ == "__main__":
    parent, *command = sys.argv[1:]
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM))
    if os.getppid() == int(parent):
        os.execv(command[0], command)
