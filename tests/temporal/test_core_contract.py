"""The parts of `temporalio.bridge` that assay uses, which are not public: a new version may change them.

When one of these tests fails after an update of `temporalio`, docs/architecture.md ("Upgrading temporalio") says
what to do.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from temporalio.bridge import temporal_sdk_bridge as bridge
from temporalio.bridge import worker as sdk
from temporalio.service import ServiceClient

import assay
from assay.temporal.core import config, protos
from assay.temporal.core.bridge import PollShutdown, make_replay_worker
from assay.temporal.telemetry.runtime import shared_runtime
from timeouts import TIMEOUT

WORKER_METHODS = (
    "validate",
    "poll_workflow_activation",
    "poll_activity_task",
    "poll_nexus_task",
    "complete_workflow_activation",
    "complete_activity_task",
    "complete_nexus_task",
    "record_activity_heartbeat",
    "request_workflow_eviction",
    "initiate_shutdown",
    "finalize_shutdown",
)

FIELDS: dict[type[Any], str] = {
    protos.ActivityTask: "task_token start cancel",
    protos.Start: "workflow_namespace workflow_type workflow_execution activity_id activity_type header_fields input "
    "heartbeat_details scheduled_time current_attempt_scheduled_time started_time attempt schedule_to_close_timeout "
    "start_to_close_timeout heartbeat_timeout retry_policy priority is_local run_id",
    protos.Cancel: "reason details",
    protos.ActivityCancellationDetails: "is_not_found is_cancelled is_paused is_timed_out is_worker_shutdown is_reset",
    protos.ActivityTaskCompletion: "task_token result",
    protos.ActivityHeartbeat: "task_token details",
    protos.NamespaceInfo: "limits",
    protos.NexusTask: "task cancel_task request_deadline endpoint",
    protos.NexusTaskCompletion: "task_token completed error ack_cancel failure",
    protos.WorkflowActivation: "run_id timestamp is_replaying history_length jobs available_internal_flags "
    "history_size_bytes continue_as_new_suggested deployment_version_for_current_task last_sdk_version "
    "suggest_continue_as_new_reasons target_worker_deployment_version_changed",
    protos.WorkflowActivationCompletion: "run_id successful failed payload_download_metrics payload_upload_metrics",
    protos.RemoveFromCache: "message reason",
}

JOBS = (
    "initialize_workflow fire_timer update_random_seed query_workflow cancel_workflow signal_workflow resolve_activity "
    "notify_has_patch resolve_child_workflow_execution_start resolve_child_workflow_execution "
    "resolve_signal_external_workflow resolve_request_cancel_external_workflow do_update "
    "resolve_nexus_operation_start resolve_nexus_operation remove_from_cache"
)

COMMANDS = (
    "event_group_markers user_metadata start_timer schedule_activity respond_to_query request_cancel_activity "
    "cancel_timer "
    "complete_workflow_execution fail_workflow_execution continue_as_new_workflow_execution cancel_workflow_execution "
    "set_patch_marker start_child_workflow_execution cancel_child_workflow_execution "
    "request_cancel_external_workflow_execution signal_external_workflow_execution cancel_signal_workflow "
    "schedule_local_activity request_cancel_local_activity upsert_workflow_search_attributes "
    "modify_workflow_properties update_response schedule_nexus_operation request_cancel_nexus_operation"
)


def changes(known: Iterable[str], found: Iterable[str]) -> str:
    """Return the removed and the added names."""
    gone, new = sorted(set(known) - set(found)), sorted(set(found) - set(known))
    return "; ".join([f"gone: {', '.join(gone)}"] * bool(gone) + [f"new: {', '.join(new)}"] * bool(new))


def test_the_version_is_pinned() -> None:
    requirements = Path(assay.__file__).parents[2].joinpath("pyproject.toml").read_text()
    version = metadata.version("temporalio")
    assert f'"temporalio[opentelemetry]=={version}"' in requirements, f"temporalio {version} is not what is pinned"


@pytest.mark.parametrize("name", ["new_worker", "new_replay_worker", "PollShutdownError", "WorkerRef", "HistoryPusher"])
def test_the_native_module_has_each_function(name: str) -> None:
    assert hasattr(bridge, name), f"temporalio.bridge.temporal_sdk_bridge has no {name} any more"


def test_the_methods_of_a_worker() -> None:
    found = [name for name in dir(bridge.WorkerRef) if not name.startswith("_") and name != "replace_client"]
    assert not changes(WORKER_METHODS, found), f"WorkerRef has changed: {changes(WORKER_METHODS, found)}"


def test_the_methods_of_a_history_pusher() -> None:
    found = [name for name in dir(bridge.HistoryPusher) if not name.startswith("_")]
    assert not changes(["push_history", "close"], found), f"HistoryPusher has changed: {found}"


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (config.WorkerConfig, sdk.WorkerConfig),
        (config.SimpleMaximum, sdk.PollerBehaviorSimpleMaximum),
        (config.Autoscaling, sdk.PollerBehaviorAutoscaling),
        (config.Version, sdk.WorkerDeploymentVersion),
        (config.Deployment, sdk.WorkerDeploymentOptions),
        (config.Build, sdk.WorkerVersioningStrategyNone),
        (config.Targets, sdk.ResourceBasedTunerConfig),
        (config.ResourceSlots, sdk.ResourceBasedSlotSupplier),
        (config.FixedSlots, sdk.FixedSizeSlotSupplier),
        (config.Tuner, sdk.TunerHolder),
        (config.TaskTypes, sdk.WorkerTaskTypes),
    ],
    ids=lambda cls: cls.__name__,
)
def test_the_configuration_has_the_fields_of_the_sdk(ours: type[Any], theirs: type[Any]) -> None:
    known, found = ({field.name for field in dataclasses.fields(cls)} for cls in (ours, theirs))
    found.discard("no_remote_activities")  # the native side does not read it
    assert not changes(known, found), f"{theirs.__name__} has changed: {changes(known, found)}"


@pytest.mark.parametrize("message", FIELDS, ids=lambda message: message.__name__)
def test_the_fields_of_the_messages(message: type[Any]) -> None:
    known, found = FIELDS[message].split(), message.DESCRIPTOR.fields_by_name
    assert not changes(known, found), f"the message {message.__name__} has changed: {changes(known, found)}"


def test_the_kinds_of_jobs() -> None:
    job = protos.WorkflowActivation.DESCRIPTOR.fields_by_name["jobs"].message_type
    assert job is not None
    assert not changes(JOBS.split(), job.fields_by_name), f"jobs: {changes(JOBS.split(), job.fields_by_name)}"


def test_the_kinds_of_commands() -> None:
    found = protos.WorkflowCommand.DESCRIPTOR.fields_by_name
    assert not changes(COMMANDS.split(), found), f"commands: {changes(COMMANDS.split(), found)}"


def test_a_service_client_leads_to_the_native_one() -> None:
    assert hasattr(ServiceClient, "worker_service_client"), "ServiceClient has no worker_service_client any more"
    runtime = shared_runtime()
    assert hasattr(runtime._core_runtime, "_ref"), "temporalio.runtime.Runtime does not lead to the native runtime"


async def test_a_worker_without_a_server() -> None:
    worker, histories = make_replay_worker(shared_runtime(), config.replay_config("q"))
    polling = worker.poll_workflow_activation()
    assert isinstance(polling, asyncio.Future), "a poll no longer returns an asyncio.Future"
    histories.close()
    with pytest.raises(PollShutdown):
        await asyncio.wait_for(polling, TIMEOUT)
    worker.initiate_shutdown()
    await worker.finalize_shutdown()


def test_only_one_room_imports_the_bridge() -> None:
    root = Path(assay.__file__).parent
    found = [path.relative_to(root) for path in root.rglob("*.py") if "temporalio.bridge" in path.read_text("utf-8")]
    assert {str(path.parent) for path in found} == {"temporal/core"}
