"""What a worker reports: a log line and a count for each event."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from assay.events import COUNTED, Event

if TYPE_CHECKING:
    from temporalio.common import MetricCounter, MetricMeter

METRIC = "assay_worker_events"
"""The counter of events, with the attributes `event` and `code`, and the fields of the reporter."""

_logger = logging.getLogger("assay.temporal")


class Reporter:
    """Logs events, and counts them if there is a meter; on any thread.

    `fields` go with every event: into log lines in JSON, and as attributes of the counter. Each event is counted from
    0, so that the first one shows as a change.
    """

    def __init__(self, meter: MetricMeter | None = None, **fields: str) -> None:
        self._fields = fields
        self._counts: dict[Event, MetricCounter] = {}
        if meter is not None:
            counter = meter.create_counter(METRIC, "What the worker reported, by kind")
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
            event: Its kind.
            message: What happened, in one line.
            error: The Python exception behind it, which `--verbose` shows.
            traceback: Where Lua code was.
            is_logged: Write a line; else it is only counted.
            fields: What it concerns, for log lines in JSON.
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
