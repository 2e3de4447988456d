"""Base class and options of the client's resources."""

from __future__ import annotations

from dataclasses import dataclass

from assay.temporal.rest.transport import API, Transport, segment


@dataclass(kw_only=True)
class NamespaceOptions:
    """The namespace of a call.

    Attributes:
        namespace: Namespace; the client's default if omitted.
    """

    namespace: str | None = None


@dataclass(kw_only=True)
class RunOptions(NamespaceOptions):
    """The run of a workflow.

    Attributes:
        run_id: Run id; the latest run if omitted.
    """

    run_id: str | None = None


class Resource:
    """Base class of a resource: methods that share the client's transport."""

    def __init__(self, transport: Transport, namespace: str) -> None:
        self._transport = transport
        self._namespace = namespace

    def _path(self, options: NamespaceOptions | None, rest: str) -> str:
        """Return the path `rest` in the namespace of the options."""
        namespace = options.namespace if options is not None else None
        namespace = self._namespace if namespace is None else namespace
        return f"{API}/namespaces/{segment(namespace, 'namespace', 'option')}/{rest}"
