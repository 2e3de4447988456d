"""Child workflows, as seen by their parent's run."""

from __future__ import annotations

from typing import Any

from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import RetryState, TimeoutType
from temporalio.api.failure.v1 import Failure

from assay.simulation import jobs
from assay.simulation.choices import Unsupported
from assay.simulation.server import Run
from assay.temporal.core.protos import ParentClosePolicy

DELAYS = (0.01, 0.4, 5.0)
"""Possible delays of the server between two workflows, in seconds."""

_ALLOW_DUPLICATE_FAILED_ONLY, _REJECT_DUPLICATE = 2, 3
"""Values of `WorkflowIdReusePolicy`."""


class Child:
    """A child workflow that a run has started."""

    def __init__(self, parent: Run, seq: int, start: Any, event: int) -> None:
        """`event` is the number of its initiated event in the parent's history."""
        self._parent = parent
        self.seq = seq
        self.command = start
        self._event = event
        self._execution: Run | None = None
        if start.HasField("retry_policy"):
            raise Unsupported(f"child workflow '{start.workflow_type}': 'retry_policy' is not simulated")
        if start.cron_schedule:
            raise Unsupported(f"child workflow '{start.workflow_type}': 'cron_schedule' is not simulated")
        delay = parent.world.choices.pick(f"child {start.workflow_id}, delay of its start", DELAYS, "lags")
        parent.later(delay, self._start)

    def _fields(self) -> dict[str, Any]:
        run = "" if self._execution is None else self._execution.start.run_id
        return {
            "namespace": "default",
            "initiated_event_id": self._event,
            "workflow_type": {"name": self.command.workflow_type},
            "workflow_execution": {"workflow_id": self.command.workflow_id, "run_id": run},
        }

    def _start(self) -> None:
        world, start = self._parent.world, self.command
        current = world.current(start.workflow_id)
        is_id_taken = current is not None and (
            current.is_open
            or start.workflow_id_reuse_policy == _REJECT_DUPLICATE
            or (start.workflow_id_reuse_policy == _ALLOW_DUPLICATE_FAILED_ONLY and current.status == "completed")
        )
        if is_id_taken:
            del self._parent.children[self.seq]
            self._parent.deliver(
                "start_child_workflow_execution_failed",
                jobs.child_not_started(self.seq, start.workflow_type, start.workflow_id),
                namespace="default",
                workflow_id=start.workflow_id,
                workflow_type={"name": start.workflow_type},
                initiated_event_id=self._event,
                cause=1,
            )
            return
        self._execution = world.start_child(self._parent, self, self._event)
        self._parent.deliver(
            "child_workflow_execution_started",
            jobs.child_started(self.seq, self._execution.start.run_id),
            **self._fields(),
        )

    def on_continue(self, execution: Run) -> None:
        """Handle `continue_as_new`: `execution` is its new run."""
        self._execution = execution

    def on_close(self, execution: Run) -> None:
        """Report its end to the parent, after a delay."""
        if not self._parent.is_open or self.seq not in self._parent.children:
            return
        delay = self._parent.world.choices.pick(f"child {self.command.workflow_id}, delay of its end", DELAYS, "lags")
        self._parent.later(delay, lambda: self._report(execution))

    def _report(self, execution: Run) -> None:
        if self._parent.children.pop(self.seq, None) is None:
            return
        seq, result, fields = self.seq, execution.result, self._fields()
        match execution.status:
            case "completed":
                value = result if isinstance(result, Payload) else None
                fields["result"] = {"payloads": [] if value is None else [value]}
                self._parent.deliver("child_workflow_execution_completed", jobs.child_completed(seq, value), **fields)
            case "failed":
                state = RetryState.RETRY_STATE_RETRY_POLICY_NOT_SET
                failure = self._failure("Child Workflow execution failed", result, state)
                fields.update(failure=result, retry_state=state)
                self._parent.deliver("child_workflow_execution_failed", jobs.child_failed(seq, failure), **fields)
            case "cancelled":
                failure = self._failure("Child Workflow execution cancelled", jobs.cancelled())
                self._parent.deliver("child_workflow_execution_canceled", jobs.child_cancelled(seq, failure), **fields)
            case "terminated":
                cause = Failure(message="Terminated")
                cause.terminated_failure_info.SetInParent()
                failure = self._failure("Child Workflow execution terminated", cause)
                self._parent.deliver("child_workflow_execution_terminated", jobs.child_failed(seq, failure), **fields)
            case "timed out":
                cause = Failure(message="Timed out")
                cause.timeout_failure_info.timeout_type = TimeoutType.TIMEOUT_TYPE_START_TO_CLOSE
                failure = self._failure("Child Workflow execution timed out", cause)
                self._parent.deliver("child_workflow_execution_timed_out", jobs.child_failed(seq, failure), **fields)

    def _failure(
        self,
        message: str,
        cause: Failure,
        state: RetryState.ValueType = RetryState.RETRY_STATE_NON_RETRYABLE_FAILURE,
    ) -> Failure:
        run = "" if self._execution is None else self._execution.start.run_id
        return jobs.child_failure(message, self.command.workflow_type, self.command.workflow_id, run, cause, state)

    def on_parent_close(self) -> None:
        """Apply its parent close policy, after a delay."""
        policy = self.command.parent_close_policy
        if policy == ParentClosePolicy.PARENT_CLOSE_POLICY_ABANDON:
            return
        self._parent.world.clock.call_later(DELAYS[0], lambda: self._apply_close_policy(policy))

    def _apply_close_policy(self, policy: int) -> None:
        execution = self._execution
        if execution is None or not execution.is_open:
            return
        if policy == ParentClosePolicy.PARENT_CLOSE_POLICY_REQUEST_CANCEL:
            execution.request_cancel("by parent close policy")
        else:
            execution.close("terminated", "workflow_execution_terminated", reason="by parent close policy")
