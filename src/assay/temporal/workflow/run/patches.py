"""The patches of a run: `ctx:patched` and `ctx:deprecate_patch`."""

from __future__ import annotations

from assay.temporal.core.protos import WorkflowCommand
from assay.temporal.workflow.run.outbound import Outbound


class Patches:
    """Decides for each patch which code path a run takes, once: at the first call with its id.

    A run that is not replaying takes the patched path and records that with a marker. A replay takes it only if the
    history has the marker.
    """

    __slots__ = ("_decisions", "_outbound", "_recorded")

    def __init__(self, outbound: Outbound) -> None:
        self._outbound = outbound
        self._recorded: set[str] | None = None
        self._decisions: dict[str, bool] | None = None

    def note_marker(self, patch_id: str) -> None:
        """Note that the history has the marker of a patch."""
        self._recorded = self._recorded or set()
        self._recorded.add(patch_id)

    def is_patched(self, patch_id: str, *, is_replaying: bool, is_deprecated: bool = False) -> bool:
        """Return true if the run takes the patched path. Raises BuiltinError if there is no room for the marker."""
        decisions = self._decisions or {}
        if patch_id in decisions:
            return decisions[patch_id]
        is_patched = not is_replaying or patch_id in (self._recorded or ())
        if is_patched:
            command = WorkflowCommand()
            command.set_patch_marker.patch_id = patch_id
            command.set_patch_marker.deprecated = is_deprecated
            self._outbound.reserve(command)
            self._outbound.append(command)
        self._decisions = {**decisions, patch_id: is_patched}
        return is_patched
