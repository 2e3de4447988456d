"""Connection, codec and workers of a script, for commands that use them."""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from assay.errors import AssayError
from assay.libraries import LIBRARIES
from assay.permissions import EVERYTHING, Permissions
from assay.permissions.settings import SandboxOptions, permissions

if TYPE_CHECKING:
    from assay.temporal.connection.options import ConnectionOptions
    from assay.temporal.data.codec import CodecOptions


@dataclass(frozen=True)
class WorkerNames:
    """Task queue and workflow types of a worker; `workflows` is None if it has a dynamic workflow."""

    task_queue: str
    workflows: Collection[str] | None


@dataclass(frozen=True)
class ScriptOptions:
    """Connection options, workers and permissions of a script."""

    connection: ConnectionOptions
    workers: list[WorkerNames]
    permissions: Permissions


async def read(
    path: str | None, sandbox: SandboxOptions, *, address: str | None = None, namespace: str | None = None
) -> ScriptOptions:
    """Run a script up to its first use of a server and return its options; without a script, return the defaults.

    `address` and `namespace` override those of the script. Raises AssayError.
    """
    from assay.temporal.connection.options import ConnectionOptions
    from assay.temporal.worker.registration import Script

    options = ConnectionOptions()
    workers: list[WorkerNames] = []
    allowed = EVERYTHING if path is None else permissions(sandbox, os.path.dirname(path) or ".")
    if path is not None:
        script = Script(path, LIBRARIES, permissions=allowed)
        try:
            await script.read()
            if not script.connections:
                raise AssayError(f"{path} neither starts a worker nor connects to a server")
            options = script.connections[0].connection_only()
            options.codec = _codec(path, [item.codec for item in script.connections if item.codec is not None])
            for worker in script.workers:
                is_dynamic = worker.options.dynamic_workflow is not None
                names = None if is_dynamic else tuple(worker.options.workflows)
                workers.append(WorkerNames(worker.options.task_queue, names))
        finally:
            await script.close()
    options.url = address or options.url
    options.namespace = namespace or options.namespace
    return ScriptOptions(options, workers, allowed)


def _codec(path: str, codecs: list[CodecOptions]) -> CodecOptions | None:
    """Merge codecs into one with the keys of all; the first one encrypts.

    Raises AssayError if two keys have the same id.
    """
    if not codecs:
        return None
    keys: dict[str, str] = {}
    for codec in codecs:
        for key_id, key in codec.keys.items():
            if keys.setdefault(key_id, key) != key:
                raise AssayError(f"{path} has two different keys with the id '{key_id}'")
    return replace(codecs[0], keys=keys)
