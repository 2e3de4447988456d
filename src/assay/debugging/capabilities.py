"""Capabilities of the debug adapter."""

from __future__ import annotations

from typing import Any

CAPABILITIES: dict[str, Any] = {
    "supportsConfigurationDoneRequest": True,
    "supportsConditionalBreakpoints": True,
    "supportsHitConditionalBreakpoints": True,
    "supportsLogPoints": True,
    "supportsFunctionBreakpoints": True,
    "supportsEvaluateForHovers": True,
    "supportsSetVariable": True,
    "supportsExceptionInfoRequest": True,
    "supportsExceptionFilterOptions": True,
    "supportsTerminateRequest": True,
    "supportsDelayedStackTraceLoading": True,
    "exceptionBreakpointFilters": [
        {
            "filter": "uncaught",
            "label": "Uncaught errors",
            "description": "Stop where an error is raised that nothing catches.",
            "default": True,
        },
        {
            "filter": "raised",
            "label": "Caught errors",
            "description": "Stop where an error is raised that pcall or xpcall catches.",
            "default": False,
        },
        {
            "filter": "event",
            "label": "History events",
            "description": "Replays: stop at events of the history.",
            "supportsCondition": True,
            "conditionDescription": "ids and types, such as 7, ActivityTaskCompleted; empty for all",
            "default": False,
        },
    ],
}
REPLAY_CAPABILITIES = {"supportsStepBack": True, "supportsRestartRequest": True}
"""Additional capabilities for replays, which can run the same lines again."""
