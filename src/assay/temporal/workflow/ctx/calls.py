"""Helpers shared by the methods of `ctx`: timeouts, payloads of arguments, and waits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from temporalio.api.common.v1 import Payload

from assay.errors import BuiltinError
from assay.lua.convert import MAX_SECONDS
from assay.lua.values import Json, Value
from assay.temporal.data import payloads, search_attributes
from assay.temporal.workflow.run.entries import Cancelled, Entry
from assay.temporal.workflow.run.run import Run
from assay.temporal.workflow.run.timers import Timer


@dataclass(kw_only=True)
class WaitOptions:
    """Options of a wait.

    Attributes:
        timeout: Maximum time to wait, in seconds; unlimited when omitted. With 0 or less, the call does not wait.
    """

    timeout: float | None = None


@dataclass(kw_only=True)
class ConditionOptions(WaitOptions):
    """Options of `ctx:wait_signal` and `ctx:wait_condition`.

    Attributes:
        timeout_summary: Short description of the timeout's timer, shown in the Web UI and the history.
    """

    timeout_summary: str | None = None


def timeout_of(options: WaitOptions | None) -> float | None:
    """Return the timeout in seconds, or None. It may be negative, as in `deadline - ctx:now()`. Raises BuiltinError."""
    timeout = options.timeout if options else None
    if timeout is not None and not timeout <= MAX_SECONDS:
        raise BuiltinError(f"bad option 'timeout' (a number of seconds expected, got {timeout:g})")
    return timeout


async def wait_with_timeout(run: Run, entry: Entry[bool], seconds: float | None, summary: str | None = None) -> bool:
    """Wait for an entry and return its result; return false if a timer fires first."""
    if seconds is None:
        return await entry
    timer = Timer(run.outbound, seconds, summary).start()

    def time_out() -> None:
        if not entry.is_done:
            entry.resolve(False)

    timer.when_done(time_out)
    try:
        return await entry
    finally:
        timer.stop()


def set_time(target: Any, name: str, value: float | None) -> None:
    """Set a protobuf duration from an option in seconds, unless it is None. Raises BuiltinError."""
    if value is None:
        return
    if not 0 < value <= MAX_SECONDS:
        raise BuiltinError(f"bad option '{name}' (a positive number of seconds expected, got {value:g})")
    nanoseconds = int(value * 1e9)
    if nanoseconds < 1000:
        raise BuiltinError(f"bad option '{name}' (at least 0.000001 seconds expected, got {value:g})")
    target.FromNanoseconds(nanoseconds)


def input_payloads(run: Run, value: Json | None, args: list[Json] | None = None) -> list[Payload]:
    """Return the payloads of the single input, or of the option `args`. Raises BuiltinError."""
    if args is not None:
        if value is not None:
            raise BuiltinError("bad option 'args' ('args' and the input argument are mutually exclusive: pass nil)")
        values = args
    else:
        values = [] if value is None else [value]
    for item in values:
        check_size(run, "the input", item)
    return [payloads.to_payload(item) for item in values]


def check_size(run: Run, name: str, value: Json) -> None:
    """Raise BuiltinError if a value exceeds the payload limit of the server."""
    problem = payloads.too_large(name, len(value), run.settings.payload_limit)
    if problem is not None:
        raise BuiltinError(problem)


def set_memo(run: Run, target: Any, fields: Mapping[str, Json] | None) -> None:
    """Set the fields of a protobuf memo. Raises BuiltinError if they exceed the payload limit of the server."""
    size = sum(len(name.encode()) + len(value) for name, value in (fields or {}).items())
    problem = payloads.too_large("the memo", size, run.settings.payload_limit)
    if problem is not None:
        raise BuiltinError(problem)
    for name, value in (fields or {}).items():
        target[name].CopyFrom(payloads.to_payload(value))


def set_attributes(target: Any, values: Mapping[str, Value] | None) -> None:
    """Set protobuf search attributes, except for those that are null."""
    if not values:
        return

    for change in search_attributes.updates(values):
        if change.value is not None:
            target[change.key.name].CopyFrom(search_attributes.to_payload(change))


async def wait_uncancelled(run: Run, entry: Entry[Any]) -> Any:
    """Wait for an entry without being interrupted; a cancellation in the meantime applies to the fiber's next wait."""
    is_cancelled = False
    while not entry.is_done:
        try:
            await entry
        except Cancelled:
            is_cancelled = True
        except BaseException:
            break
    if is_cancelled and run.fiber is not None:
        run.fiber.cancel_next_wait()
    return entry.result()
