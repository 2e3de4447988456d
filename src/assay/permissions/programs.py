"""Programs of a policy, and the command lines that they cover."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable

SHELL = "/bin/sh"

_WORD = r"""(?:[\w@%+=:,./^-]|'[^']*'|"[^"$`\\]*")+"""
_PLAIN = re.compile(rf"[ \t]*{_WORD}(?:[ \t]+{_WORD})*[ \t]*", re.ASCII)
_QUOTED = re.compile(r"""'([^']*)'|"([^"]*)\"""")


class Programs:
    """Programs by path, or by name in the PATH at the time when the policy is created."""

    def __init__(self, names: Iterable[str], folder: str) -> None:
        """Find the programs. Paths are relative to `folder`."""
        self._path = os.environ.get("PATH", os.defpath)
        programs = (self._find(name, folder) for name in names)
        self._granted = {path for path in programs if path is not None}
        self.has_shell = self._find(SHELL, "/") in self._granted or self._find("sh", "/") in self._granted

    def argv(self, command: str, folder: str) -> list[str] | None:
        """Split a plain command into the absolute path of its program and the arguments; None if it is not covered."""
        words = plain_words(command)
        if words is None:
            return None
        program = self._find(words[0], folder)
        return [program, *words[1:]] if program is not None and program in self._granted else None

    def _find(self, program: str, folder: str) -> str | None:
        """Return the path of a program with a resolved folder. The program itself may be a link (as with busybox)."""
        path = os.path.join(folder, program) if "/" in program else shutil.which(program, path=self._path)
        if path is None:
            return None
        return os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))


def plain_words(command: str) -> list[str] | None:
    """Split a command line that runs the same without a shell; returns None if it needs one."""
    if not _PLAIN.fullmatch(command):
        return None
    words = re.findall(_WORD, command, re.ASCII)
    if "=" in words[0]:  # it sets a variable
        return None
    return [_QUOTED.sub(lambda quoted: quoted[1] or quoted[2] or "", word) for word in words]
