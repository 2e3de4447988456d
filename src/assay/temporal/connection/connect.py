"""Connecting to a Temporal server: connections with the same settings are shared."""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict
from dataclasses import astuple
from datetime import timedelta
from weakref import WeakKeyDictionary

from temporalio.api.workflowservice.v1 import GetSystemInfoRequest
from temporalio.runtime import Runtime
from temporalio.service import ConnectConfig, GrpcCompression, RetryConfig, RPCError, ServiceClient, TLSConfig

from assay.errors import ErrorObject
from assay.permissions import EVERYTHING, Permissions
from assay.temporal.connection import configuration, errors
from assay.temporal.connection.options import ConnectionOptions
from assay.temporal.telemetry import tracing
from assay.temporal.telemetry.runtime import shared_runtime

CONNECT_TIMEOUT = 8.0
"""Maximum seconds for connecting."""

RETRY_TIMEOUT = 60.0
"""Maximum seconds for retrying a call while the server is unreachable, unless `rpc_timeout` is shorter."""

_MAX_SHARED = 16

_lock = threading.Lock()
_shared: OrderedDict[object, ServiceClient] = OrderedDict()
_task_queues: WeakKeyDictionary[ServiceClient, set[tuple[str, str]]] = WeakKeyDictionary()


async def connect(
    caller: str,
    options: ConnectionOptions,
    *,
    task_queue: str | None = None,
    runtime: Runtime | None = None,
    permissions: Permissions = EVERYTHING,
) -> ServiceClient:
    """Connect within `CONNECT_TIMEOUT` seconds. Raises BuiltinError, DeniedError or ErrorObject (kind "rpc").

    Args:
        caller: The Lua function, for error messages.
        options: The connection options.
        task_queue: The task queue, if the connection is for a worker.
        runtime: The SDK's runtime. Default: the one without metrics.
        permissions: The permissions of the script.
    """
    settings = configuration.resolve(options, permissions)
    permissions.check_host("temporal", *settings.host_and_port)
    if options.tracing and not tracing.is_configured():
        permissions.check_host("net", *tracing.DEFAULT_COLLECTOR)
    config = ConnectConfig(
        target_host=settings.address,
        api_key=settings.api_key,
        tls=settings.tls,
        rpc_metadata=settings.metadata,
        identity=options.identity or "",
        retry_config=RetryConfig(
            max_interval_millis=2000, max_elapsed_time_millis=int(RETRY_TIMEOUT * 1000), max_retries=0
        ),
        runtime=runtime or shared_runtime(),
        grpc_compression=GrpcCompression.NONE,
    )
    try:
        service = await asyncio.wait_for(_shared_service(config), CONNECT_TIMEOUT)
        if task_queue is not None and not _claim(service, settings.namespace, task_queue):
            service = await asyncio.wait_for(ServiceClient.connect(config), CONNECT_TIMEOUT)
    except (TimeoutError, RuntimeError, RPCError) as error:
        reason = errors.reason(error, settings, CONNECT_TIMEOUT)
        text = f"{caller}: cannot connect to the Temporal server at {settings.address}: {reason}"
        raise ErrorObject(text, kind="rpc") from error
    return service


async def _shared_service(config: ConnectConfig) -> ServiceClient:
    """Return the shared connection for a configuration if it still works, otherwise a new one.

    A connected client of the SDK may be used on any thread and event loop: calls take no lock, and each response is
    delivered to the caller's loop. A client that is still connecting is bound to one loop, so concurrent callers each
    connect their own and the first one that succeeds is kept.
    """
    tls = astuple(config.tls) if isinstance(config.tls, TLSConfig) else config.tls
    key = (
        config.target_host,
        config.api_key,
        tls,
        tuple(sorted(config.rpc_metadata.items())),
        config.identity,
        config.runtime,
    )
    with _lock:
        cached = _shared.get(key)
        if cached is not None:
            _shared.move_to_end(key)
    if cached is not None and await is_reachable(cached):
        return cached
    service = await ServiceClient.connect(config)
    with _lock:
        if _shared.get(key) is cached:
            _shared[key] = service
            if len(_shared) > _MAX_SHARED:
                _shared.popitem(last=False)
        return _shared.get(key, service)


async def is_reachable(service: ServiceClient) -> bool:
    """Return true if the server responds within three seconds."""
    try:
        await service.workflow_service.get_system_info(GetSystemInfoRequest(), timeout=timedelta(seconds=3))
    except RPCError:
        return False
    return True


def _claim(service: ServiceClient, namespace: str, task_queue: str) -> bool:
    """Claim a task queue of a connection; false if it is taken: Core allows one worker per connection and queue."""
    with _lock:
        claimed = _task_queues.setdefault(service, set())
        if (namespace, task_queue) in claimed:
            return False
        claimed.add((namespace, task_queue))
        return True
