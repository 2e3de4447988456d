"""Reporting of worker events: a log line and a counter for each event."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from assay.events import COUNTED, Event

if TYPE_CHECKING:
    from temporalio.common import MetricCounter, MetricMeter

METRIC = "assay_worker_events"
"""Counter of events with the attributes `event` and `code`, and the fields of the reporter."""

_logger = logging.getLogger("assay.temporal")


class Reporter:
    """Logs events, and counts them if there is a meter. May be used on any thread.

    `fields` are added to every event: as fields of JSON log lines and as attributes of the counter. Each counter starts
    with a sample of 0, so that the first event is visible as an increase.
    """

    def __init__(self, meter: MetricMeter | None = None, **fields: str) -> None:
        self._fields = fields
        self._counts: dict[Event, MetricCounter] = {}
        if meter is not None:
            counter = meter.create_counter(METRIC, "Events that the worker reported")
            for event in COUNTED:
                attributes = {**fields, "event": event.name, "code": event.code}
                count = self._counts[event] = counter.with_additional_attributes(attributes)
                count.add(0)

    def report(
        self,
        event: Event,
        message: str,
        *,
        error: BaseException | None = None,
        traceback: str = "",
        is_logged: bool = True,
        **fields: str | int,
    ) -> None:
        """Report an event.

        Args:
            event: The kind of event.
            message: The message, in one line.
            error: The Python exception that caused it, which `--verbose` shows.
            traceback: The Lua traceback.
            is_logged: Write a log line; otherwise the event is only counted.
            fields: Additional fields of the JSON log line.
        """
        count = self._counts.get(event)
        if count is not None:
            count.add(1)
        if not is_logged:
            return
        shown = {**self._fields, **fields, **({"traceback": traceback} if traceback else {})}
        _logger.log(
            event.level,
            "%s",
            f"{message}\n{traceback}" if traceback else message,
            exc_info=error,
            extra={"event": event, "fields": shown},
        )
