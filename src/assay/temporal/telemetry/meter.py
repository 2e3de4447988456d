"""Metrics of a script's own, recorded by activities and workflows: handles over the SDK's meter."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar

from temporalio import common

from assay.errors import BuiltinError
from assay.lua.declare import Library, method
from assay.lua.values import Name, Value
from assay.permissions.needs import NOTHING, Needs

Attributes = dict[str, str | bool | float]

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
"""What Prometheus takes; the core would drop the values of another one, with a word to the log only."""


@dataclass(kw_only=True)
class MetricOptions:
    """The description of a metric.

    Attributes:
        description: What it counts or measures.
        unit: The unit of its values: "s", "bytes", "orders".
    """

    description: str | None = None
    unit: str | None = None


class _Metric:
    """What all kinds have in common: they record a value with attributes, by the SDK's metric."""

    def __init__(self, record: Callable[..., None], what: str, is_silent: Callable[[], bool]) -> None:
        self._record = record
        self._what = what
        self._is_silent = is_silent

    def _take(self, value: Any, number: float, attributes: Attributes | None) -> None:
        if not 0 <= number < float("inf"):
            raise BuiltinError(f"bad argument 'value' ({self._what} from 0 up expected, got {number:g})")
        if not self._is_silent():
            self._record(value, attributes)


class MetricCounter(_Metric):
    """A sum that only grows."""

    lua_name: ClassVar[str] = "temporal.MetricCounter"
    lua_prefix: ClassVar[str] = "counter"

    @method
    def add(self, value: int, attributes: dict[str, Value] | None = None) -> None:
        """Add to the sum.

        Args:
            value: An integer from 0 up.
            attributes: Name → string, number or boolean: one sum is kept for each combination.
        """
        self._take(value, value, _checked(attributes))


class MetricHistogram(_Metric):
    """How often values of which size were seen."""

    lua_name: ClassVar[str] = "temporal.MetricHistogram"
    lua_prefix: ClassVar[str] = "histogram"

    @method
    def record(self, value: float, attributes: dict[str, Value] | None = None) -> None:
        """Count a value.

        Args:
            value: A number from 0 up; seconds in a histogram of `create_histogram_timedelta`.
            attributes: Name → string, number or boolean: one histogram is kept for each combination.
        """
        self._take(value, value, _checked(attributes))


class MetricGauge(_Metric):
    """A value that goes up and down; the last one counts."""

    lua_name: ClassVar[str] = "temporal.MetricGauge"
    lua_prefix: ClassVar[str] = "gauge"

    @method
    def set(self, value: float, attributes: dict[str, Value] | None = None) -> None:
        """Set the value.

        Args:
            value: A number from 0 up.
            attributes: Name → string, number or boolean: one value is kept for each combination.
        """
        self._take(value, value, _checked(attributes))


class MetricMeter:
    """Makes metrics. They are seen where the worker's option `metrics` sends its metrics; without it they go nowhere.

    A metric of a name is made once: made again, it is the same. All metrics have the attributes `namespace` and
    `task_queue`, and `workflow_type` or `activity_type`.
    """

    lua_name: ClassVar[str] = "temporal.MetricMeter"
    lua_prefix: ClassVar[str] = "meter"
    lua_needs: ClassVar[Needs] = NOTHING

    def __init__(self, sdk: common.MetricMeter, is_silent: Callable[[], bool] = lambda: False) -> None:
        """`is_silent`: nothing is recorded while it returns true."""
        self._sdk = sdk
        self._is_silent = is_silent

    @method
    def create_counter(self, name: Name, options: MetricOptions | None = None) -> MetricCounter:
        """Make a counter: a sum that only grows.

        Args:
            name: Its name, such as "orders_done".
            options: Description and unit.
        """
        made = self._sdk.create_counter(*_arguments(name, options))
        return MetricCounter(made.add, "an integer", self._is_silent)

    @method
    def create_histogram(self, name: Name, options: MetricOptions | None = None) -> MetricHistogram:
        """Make a histogram: how often values of which size were seen.

        Args:
            name: Its name.
            options: Description and unit.
        """
        made = self._sdk.create_histogram_float(*_arguments(name, options))
        return MetricHistogram(made.record, "a number", self._is_silent)

    @method
    def create_histogram_timedelta(self, name: Name, options: MetricOptions | None = None) -> MetricHistogram:
        """Make a histogram of durations.

        They are recorded in seconds and shown like those of the SDK: in milliseconds, or in seconds with the worker's
        option `metrics.durations_as_seconds`.

        Args:
            name: Its name.
            options: Description and unit.
        """
        made = self._sdk.create_histogram_timedelta(*_arguments(name, options))

        def record(value: float, attributes: Attributes | None) -> None:
            made.record(timedelta(seconds=value), attributes)

        return MetricHistogram(record, "a number", self._is_silent)

    @method
    def create_gauge(self, name: Name, options: MetricOptions | None = None) -> MetricGauge:
        """Make a gauge: a value that goes up and down.

        Args:
            name: Its name.
            options: Description and unit.
        """
        made = self._sdk.create_gauge_float(*_arguments(name, options))
        return MetricGauge(made.set, "a number", self._is_silent)

    @method
    def with_additional_attributes(self, attributes: dict[str, Value]) -> MetricMeter:
        """Return a meter whose metrics have these attributes too.

        Args:
            attributes: Name → string, number or boolean.
        """
        return MetricMeter(self._sdk.with_additional_attributes(_checked(attributes) or {}), self._is_silent)


def _check_name(argument: str, name: str) -> None:
    if not _NAME.fullmatch(name):
        expected = "a name of letters, digits and _ that begins with no digit"
        raise BuiltinError(f"bad argument '{argument}' ({expected} expected, got '{name}')")


def _arguments(name: str, options: MetricOptions | None) -> tuple[str, str | None, str | None]:
    _check_name("name", name)
    given = options or MetricOptions()
    return name, given.description or None, given.unit or None


def _checked(attributes: dict[str, Value] | None) -> Attributes | None:
    for name, value in (attributes or {}).items():
        _check_name("attributes", name)
        if not isinstance(value, str | bool | int | float):
            got = "table" if isinstance(value, dict | list) else "other bytes"
            raise BuiltinError(f"bad argument 'attributes.{name}' (a string, number or boolean expected, got {got})")
    return attributes


def add_handles(library: Library) -> None:
    """Declare the classes of this file in a library."""
    for cls in (MetricMeter, MetricCounter, MetricHistogram, MetricGauge):
        library.handle(cls)
