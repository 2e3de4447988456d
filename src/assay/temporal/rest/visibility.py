"""Lookup by visibility query, for workflows whose ids cannot be part of a path."""

from __future__ import annotations

from typing import Any

from assay.errors import BuiltinError, RestError
from assay.temporal.rest.transport import NOT_FOUND, table


def of_workflow(workflow_id: str, run_id: str | None) -> str:
    """Return the query for a workflow. Raises BuiltinError for an id that queries cannot express."""
    query = f"WorkflowId = {_quote(workflow_id, 'workflow_id')}"
    return query if run_id is None else f"{query} AND RunId = {_quote(run_id, 'run_id')}"


def _quote(text: str, argument: str) -> str:
    for character in '"\\':  # the server's query parser drops them
        if character in text:
            raise BuiltinError(
                f"bad argument '{argument}' (the HTTP API cannot find '{text}', which has a slash and a {character}; "
                "temporal.connect can)"
            )
    return "'" + text.replace("'", "''") + "'"


def latest(executions: list[dict[str, Any]], workflow_id: str) -> dict[str, Any]:
    """Return the latest run of a workflow among query results. Raises RestError if there is none."""
    runs = [item for item in executions if table(item, "execution").get("workflowId") == workflow_id]
    if not runs:
        raise RestError(f"workflow not found for ID: {workflow_id}", kind="not_found", status=404, code=NOT_FOUND)
    return max(runs, key=lambda item: str(item.get("startTime", "")))
