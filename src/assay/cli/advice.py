"""What `assay check` finds in a worker's workflows, logged before a script starts the worker."""

from __future__ import annotations

from assay import events, log_lines
from assay.checking.functions import Functions
from assay.lua.host import Host
from assay.lua.services import Service
from assay.temporal.worker.worker import Worker


def warn_about(host: Host, service: Service) -> None:
    """Warn on stderr of what a worker that is about to start registers: one line for each finding.

    Nothing here keeps a worker from starting: what reads source text can be mistaken.
    """
    if not isinstance(service, Worker):
        return
    try:
        findings = set(Functions(host).worker(service))
    except Exception:
        if host.verbose:
            raise
        return
    for finding in sorted(findings, key=lambda finding: (finding.file, finding.line, finding.message)):
        place = f"{finding.file}:{finding.line}: "
        text = f"{place}warning: {finding.message}"
        log_lines.notice(events.SCRIPT_FINDING, place + finding.message, text)
