"""The gRPC client that `temporal.connect` returns, composed of one mixin class per topic."""

from __future__ import annotations

from typing import ClassVar

from assay.temporal.client.activities import ActivityMethods
from assay.temporal.client.messages import MessageMethods
from assay.temporal.client.schedules import Schedules
from assay.temporal.client.standalone import StandaloneActivityMethods
from assay.temporal.client.start import StartConnectionOptions, Started, StartMethods, StartOptions, start_workflow
from assay.temporal.client.visibility import VisibilityMethods, WorkflowPages
from assay.temporal.client.workflows import WorkflowMethods
from assay.temporal.connection.options import ConnectionOptions


class Client(
    StartMethods, MessageMethods, WorkflowMethods, VisibilityMethods, StandaloneActivityMethods, ActivityMethods
):
    """A connection to a Temporal server.

    Attributes:
        schedules: The schedules of the namespace.
    """

    lua_name: ClassVar[str] = "temporal.Client"
    lua_fields: ClassVar[dict[str, type]] = {"schedules": Schedules}


__all__ = [
    "Client",
    "ConnectionOptions",
    "Schedules",
    "StartConnectionOptions",
    "StartOptions",
    "Started",
    "WorkflowPages",
    "start_workflow",
]
