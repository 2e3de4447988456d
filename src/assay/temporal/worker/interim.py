"""Runs driven by the SDK's workflow classes, until the engine takes their place."""
# mypy: ignore-errors

from __future__ import annotations

import random
from datetime import UTC, timedelta
from typing import Any

import temporalio.common
import temporalio.workflow
from temporalio.bridge.proto.workflow_activation import WorkflowActivation
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.worker import WorkflowInstanceDetails

from assay.temporal import connection
from assay.temporal.workflow.instance import workflow_class
from assay.temporal.workflow.runner import LuaWorkflowRunner


class SdkRuns:
    def __init__(self, snapshots, settings, options, namespace):
        self._settings = settings
        self._options = options
        self._namespace = namespace
        self._runner = LuaWorkflowRunner(settings)
        self._classes = {s.name: temporalio.workflow._Definition.must_from_class(workflow_class(s, settings)) for s in snapshots}
        self._converter = connection.data_converter(None)
        self._instances: dict[str, Any] = {}
        self._meter = None

    def is_slow(self, run_id: str) -> bool:
        return True

    def side_effect(self, run_id: str, key: int):
        return self._settings.runs[run_id].run_side_effect(key)

    def activate(self, act: WorkflowActivation) -> WorkflowActivationCompletion:
        completion = WorkflowActivationCompletion()
        completion.successful.SetInParent()
        try:
            if any(job.HasField("remove_from_cache") for job in act.jobs):
                instance = self._instances.pop(act.run_id, None)
                if instance is not None:
                    instance.activate(act)
            else:
                instance = self._instances.get(act.run_id)
                if instance is None:
                    init = next(j.initialize_workflow for j in act.jobs if j.HasField("initialize_workflow"))
                    instance = self._instances[act.run_id] = self._make(act, init)
                completion = instance.activate(act)
        except Exception as error:
            import logging

            logging.getLogger(__name__).warning("Failed activation on workflow with run ID %s", act.run_id, exc_info=True)
            completion.failed.failure.message = str(error)
        completion.run_id = act.run_id
        return completion

    def _make(self, act, init):
        defn = self._classes.get(init.workflow_type) or self._classes.get(None)
        if defn is None:
            known = ", ".join(sorted(n for n in self._classes if n))
            raise RuntimeError(f"Workflow class {init.workflow_type} is not registered on this worker, available workflows: {known}")
        parent = root = None
        if init.HasField("parent_workflow_info"):
            p = init.parent_workflow_info
            parent = temporalio.workflow.ParentInfo(namespace=p.namespace, run_id=p.run_id, workflow_id=p.workflow_id)
        if init.HasField("root_workflow"):
            root = temporalio.workflow.RootInfo(run_id=init.root_workflow.run_id, workflow_id=init.root_workflow.workflow_id)
        fp = lambda m, f: getattr(m, f).ToTimedelta() or None if m.HasField(f) else None  # noqa: E731
        info = temporalio.workflow.Info(
            attempt=init.attempt,
            continued_run_id=init.continued_from_execution_run_id or None,
            cron_schedule=init.cron_schedule or None,
            execution_timeout=fp(init, "workflow_execution_timeout"),
            first_execution_run_id=init.first_execution_run_id,
            headers=dict(init.headers),
            namespace=self._namespace,
            original_execution_run_id="",
            parent=parent,
            root=root,
            raw_memo=dict(init.memo.fields),
            retry_policy=temporalio.common.RetryPolicy.from_proto(init.retry_policy) if init.HasField("retry_policy") else None,
            run_id=act.run_id,
            run_timeout=fp(init, "workflow_run_timeout"),
            search_attributes=temporalio.converter.decode_search_attributes(init.search_attributes),
            start_time=act.timestamp.ToDatetime().replace(tzinfo=UTC),
            workflow_start_time=init.start_time.ToDatetime().replace(tzinfo=UTC),
            task_queue=self._options.task_queue,
            task_timeout=init.workflow_task_timeout.ToTimedelta(),
            typed_search_attributes=temporalio.converter.decode_typed_search_attributes(init.search_attributes),
            workflow_id=init.workflow_id,
            workflow_type=init.workflow_type,
            priority=temporalio.common.Priority._from_proto(init.priority),
        )
        last_failure = init.continued_failure if init.HasField("continued_failure") else None
        import inspect

        given = dict(
            payload_converter_factory=lambda: self._converter.payload_converter,
            payload_converter_class=self._converter.payload_converter_class,
            failure_converter_class=self._converter.failure_converter_class,
            interceptor_classes=[],
            defn=defn,
            info=info,
            randomness_seed=init.randomness_seed,
            extern_functions={
                "__temporal_get_metric_meter": lambda: self._metric_meter(),
                "__temporal_assert_local_activity_valid": lambda a: None,
            },
            disable_eager_activity_execution=False,
            worker_level_failure_exception_types=[],
            patch_activation_callback=None,
            last_completion_result=init.last_completion_result,
            last_failure=last_failure,
        )
        from dataclasses import fields

        names = {f.name for f in fields(WorkflowInstanceDetails)}
        import asyncio
        import types

        asyncio._set_running_loop(types.SimpleNamespace())  # the instance marks the loop that makes it
        try:
            return self._runner.create_instance(WorkflowInstanceDetails(**{k: v for k, v in given.items() if k in names}))
        finally:
            asyncio._set_running_loop(None)

    def _metric_meter(self):
        from assay.temporal.core.runtime import core

        return core(self._options.metrics).metric_meter


_ = (random, timedelta)
