"""What all calls out of a workflow have in common: their arguments, their options and their failures."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

from temporalio.common import RawValue, SearchAttributePair, TypedSearchAttributes
from temporalio.exceptions import FailureError

from assay.errors import BuiltinError
from assay.lua.convert import MAX_SECONDS
from assay.lua.values import Json, Value
from assay.temporal import payloads, search_attributes
from assay.temporal.failures import to_error_object
from assay.temporal.options import seconds

T = TypeVar("T")


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
    """The seconds that a wait may take: not above 0 when a deadline is over, as `deadline - ctx:now()` tells it."""
    timeout = options.timeout if options else None
    if timeout is not None and not timeout <= MAX_SECONDS:
        raise BuiltinError(f"bad option 'timeout' (a number of seconds expected, got {timeout:g})")
    return timeout


def positive(name: str, value: float | None) -> timedelta | None:
    """A time option as the SDK wants it."""
    if value is not None and not 0 < value <= MAX_SECONDS:
        raise BuiltinError(f"bad option '{name}' (a positive number of seconds expected, got {value:g})")
    return seconds(value)


def arguments(value: Json | None, several: list[Json] | None) -> list[RawValue]:
    """The arguments of a call: one input, or the option `args` in its place."""
    if several is None:
        return payloads.arguments(value)
    if value is not None:
        raise BuiltinError("bad option 'args' (they take the place of the input: give nil for it)")
    return [RawValue(payloads.to_payload(item)) for item in several]


def memo(fields: dict[str, Json] | None) -> dict[str, RawValue] | None:
    """The fields of a memo."""
    if fields is None:
        return None
    return {name: RawValue(payloads.to_payload(value)) for name, value in fields.items()}


def attributes(values: dict[str, Value] | None) -> TypedSearchAttributes | None:
    """Search attributes as the SDK wants them."""
    if not values:
        return None
    changes = search_attributes.updates(values)
    return TypedSearchAttributes(
        [SearchAttributePair(item.key, item.value) for item in changes if item.value is not None]
    )


async def answer(call: Awaitable[T]) -> T:
    """Wait for a call; its failure becomes a Lua error object."""
    try:
        return await call
    except FailureError as error:
        raise to_error_object(error) from error
