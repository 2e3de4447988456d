"""What the sub-objects of the client share."""

from __future__ import annotations

from dataclasses import dataclass

from assay.temporal.rest.transport import API, Transport, segment


@dataclass(kw_only=True)
class NamespaceOptions:
    """Where to look.

    Attributes:
        namespace: The namespace; the client's when left out.
    """

    namespace: str | None = None


@dataclass(kw_only=True)
class RunOptions(NamespaceOptions):
    """Which run of a workflow.

    Attributes:
        run_id: One run of it; the latest when left out.
    """

    run_id: str | None = None


class Part:
    """A sub-object: some of the client's methods, over its transport."""

    def __init__(self, transport: Transport, namespace: str) -> None:
        self._transport = transport
        self._namespace = namespace

    def _path(self, options: NamespaceOptions | None, rest: str) -> str:
        """The path of something in a namespace."""
        given = options.namespace if options is not None else None
        namespace = self._namespace if given is None else given
        return f"{API}/namespaces/{segment(namespace, 'namespace', 'option')}/{rest}"
