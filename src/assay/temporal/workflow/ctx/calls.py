"""What all calls out of a workflow have in common: their arguments, their options and how they are waited for."""

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
    """How long to wait.

    Attributes:
        timeout: Seconds; without it as long as it takes. With 0, or less, only what is there already counts.
    """

    timeout: float | None = None


@dataclass(kw_only=True)
class ConditionOptions(WaitOptions):
    """How long to wait, and how that is shown.

    Attributes:
        timeout_summary: What the Web UI and the history show beside the timer of the timeout.
    """

    timeout_summary: str | None = None


def within(options: WaitOptions | None) -> float | None:
    """Return the seconds that a wait may take: not above 0 when a deadline is over, as `deadline - ctx:now()` is."""
    timeout = options.timeout if options else None
    if timeout is not None and not timeout <= MAX_SECONDS:
        raise BuiltinError(f"bad option 'timeout' (a number of seconds expected, got {timeout:g})")
    return timeout


async def until(run: Run, entry: Entry[bool], seconds: float | None, summary: str | None = None) -> bool:
    """Wait for an entry that ends with true; false when a timer of the server ends first."""
    if seconds is None:
        return await entry
    timer = Timer(run.outbound, seconds, summary).start()

    def give_up() -> None:
        if not entry.is_done:
            entry.resolve(False)

    timer.when_done(give_up)
    try:
        return await entry
    finally:
        timer.stop()


def set_time(target: Any, name: str, value: float | None) -> None:
    """Set a time option, when it is given, in a message of Temporal's."""
    if value is None:
        return
    if not 0 < value <= MAX_SECONDS:
        raise BuiltinError(f"bad option '{name}' (a positive number of seconds expected, got {value:g})")
    nanoseconds = int(value * 1e9)
    if nanoseconds < 1000:
        raise BuiltinError(f"bad option '{name}' (at least 0.000001 seconds expected, got {value:g})")
    target.FromNanoseconds(nanoseconds)


def arguments(run: Run, value: Json | None, several: list[Json] | None = None) -> list[Payload]:
    """Return the payloads of a call: one input, or the option `args` in its place."""
    if several is not None:
        if value is not None:
            raise BuiltinError("bad option 'args' ('args' and the input argument are mutually exclusive: pass nil)")
        given = several
    else:
        given = [] if value is None else [value]
    for item in given:
        check_size(run, "the input", item)
    return [payloads.to_payload(item) for item in given]


def check_size(run: Run, what: str, value: Json) -> None:
    """Raise BuiltinError when the server would refuse a value."""
    problem = payloads.too_large(what, len(value), run.settings.payload_limit)
    if problem is not None:
        raise BuiltinError(problem)


def set_memo(run: Run, target: Any, fields: Mapping[str, Json] | None) -> None:
    """Set the fields of a memo in a message of Temporal's. Raises BuiltinError when the server would refuse them."""
    size = sum(len(name.encode()) + len(value) for name, value in (fields or {}).items())
    problem = payloads.too_large("the memo", size, run.settings.payload_limit)
    if problem is not None:
        raise BuiltinError(problem)
    for name, value in (fields or {}).items():
        target[name].CopyFrom(payloads.to_payload(value))


def set_attributes(target: Any, values: Mapping[str, Value] | None) -> None:
    """Set search attributes, those that are not null, in a message of Temporal's."""
    if not values:
        return

    for change in search_attributes.updates(values):
        if change.value is not None:
            target[change.key.name].CopyFrom(search_attributes.to_payload(change))


async def settled(run: Run, entry: Entry[Any]) -> Any:
    """Wait for what no cancel may interrupt; a cancel meanwhile is met by the next wait."""
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
