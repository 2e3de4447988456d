"""Opens pages of the Web UI in a browser."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from urllib.parse import quote

from assay.cli.dev.report import Run


def run_page(ui: str, run: Run) -> str:
    """Return the URL of the Web UI page of a run."""
    namespace, workflow_id, run_id = (quote(part, safe="") for part in (run.namespace, run.workflow_id, run.run_id))
    return f"{ui}/namespaces/{namespace}/workflows/{workflow_id}/{run_id}/history"


def open_page(url: str) -> str:
    """Open a page in $BROWSER or the desktop's browser; return a message for the user."""
    command = _command()
    if command is None:
        return url
    null = subprocess.DEVNULL
    try:
        subprocess.Popen([*command, url], stdin=null, stdout=null, stderr=null, start_new_session=True)
    except OSError as error:
        return f"{command[0]}: {error.strerror}; the page is {url}"
    return f"opened {url}"


def _command() -> list[str] | None:
    browser = os.environ.get("BROWSER")
    if browser:
        return shlex.split(browser)
    opener = shutil.which("open" if sys.platform == "darwin" else "xdg-open")
    return None if opener is None else [opener]
