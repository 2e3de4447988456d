"""Connections to a Temporal server: what the options and the environment say, made once and shared."""

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
from assay.temporal.telemetry.runtime import core

CONNECT_TIMEOUT = 8.0
"""Seconds until a server that does not answer is given up."""

RETRY_TIMEOUT = 60.0
"""Seconds for which a call is tried again while the server is away, unless `rpc_timeout` says less."""

_SHARED_AT_MOST = 16

_lock = threading.Lock()
_shared: OrderedDict[object, ServiceClient] = OrderedDict()
_served: WeakKeyDictionary[ServiceClient, set[tuple[str, str]]] = WeakKeyDictionary()


async def connect(
    caller: str,
    options: ConnectionOptions,
    *,
    task_queue: str | None = None,
    runtime: Runtime | None = None,
    permissions: Permissions = EVERYTHING,
) -> ServiceClient:
    """Connect, within `CONNECT_TIMEOUT` seconds, for the Lua function `caller`; for a worker of `task_queue`.

    Raises BuiltinError, DeniedError or ErrorObject (kind "rpc").
    """
    settings = configuration.resolve(options, permissions)
    permissions.check_host("temporal", *settings.place)
    if options.tracing and not tracing.is_configured():
        permissions.check_host("net", *tracing.USUAL_PLACE)
    config = ConnectConfig(
        target_host=settings.address,
        api_key=settings.api_key,
        tls=settings.tls,
        rpc_metadata=settings.metadata,
        identity=options.identity or "",
        retry_config=RetryConfig(
            max_interval_millis=2000, max_elapsed_time_millis=int(RETRY_TIMEOUT * 1000), max_retries=0
        ),
        runtime=runtime or core(),
        grpc_compression=GrpcCompression.NONE,
    )
    try:
        service = await asyncio.wait_for(_service(config), CONNECT_TIMEOUT)
        if task_queue is not None and not _take(service, settings.namespace, task_queue):
            service = await asyncio.wait_for(ServiceClient.connect(config), CONNECT_TIMEOUT)
    except (TimeoutError, RuntimeError, RPCError) as error:
        reason = errors.reason(error, settings, CONNECT_TIMEOUT)
        text = f"{caller}: cannot connect to the Temporal server at {settings.address}: {reason}"
        raise ErrorObject(text, kind="rpc") from error
    return service


async def _service(config: ConnectConfig) -> ServiceClient:
    """The shared connection for a configuration: the one that answers, or a new one.

    The SDK's connected client may be used from any thread and event loop: after its first connection a call takes no
    lock and the answer is delivered to the loop that asked. A client that is still connecting belongs to one loop, so
    each caller connects one of its own and the first that is done is kept.
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
        known = _shared.get(key)
        if known is not None:
            _shared.move_to_end(key)
    if known is not None and await answers(known):
        return known
    made = await ServiceClient.connect(config)
    with _lock:
        if _shared.get(key) is known:
            _shared[key] = made
            if len(_shared) > _SHARED_AT_MOST:
                _shared.popitem(last=False)
        return _shared.get(key, made)


async def answers(service: ServiceClient) -> bool:
    """Return true if the server answers, within three seconds."""
    try:
        await service.workflow_service.get_system_info(GetSystemInfoRequest(), timeout=timedelta(seconds=3))
    except RPCError:
        return False
    return True


def _take(service: ServiceClient, namespace: str, task_queue: str) -> bool:
    """Return true if this is the first worker of a task queue on a connection: the SDK refuses a second one there."""
    with _lock:
        taken = _served.setdefault(service, set())
        if (namespace, task_queue) in taken:
            return False
        taken.add((namespace, task_queue))
        return True
