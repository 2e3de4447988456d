"""Custom metrics, recorded by activities and workflows: handles over the SDK's meter."""

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
"""Names that Prometheus accepts; for others Core would only log an error and drop the values."""


@dataclass(kw_only=True)
class MetricOptions:
    """Options of a metric.

    Attributes:
        description: The description of the metric.
        unit: The unit of its values, such as "s", "bytes" or "orders".
    """

    description: str | None = None
    unit: str | None = None


class _Metric:
    """Base class of metrics: records values with attributes through the SDK's metric."""

    def __init__(self, record: Callable[..., None], expected: str, is_muted: Callable[[], bool]) -> None:
        self._sdk_record = record
        self._expected = expected
        self._is_muted = is_muted

    def _record_value(self, value: Any, number: float, attributes: Attributes | None) -> None:
        if not 0 <= number < float("inf"):
            raise BuiltinError(f"bad argument 'value' ({self._expected} expected, got {number:g})")
        if not self._is_muted():
            self._sdk_record(value, attributes)


class MetricCounter(_Metric):
    """A monotonically increasing sum."""

    lua_name: ClassVar[str] = "temporal.MetricCounter"
    lua_prefix: ClassVar[str] = "counter"

    @method
    def add(self, value: int, attributes: dict[str, Value] | None = None) -> None:
        """Add to the counter.

        Args:
            value: A non-negative integer.
            attributes: Attributes by name: strings, numbers or booleans. Each combination is a separate series.
        """
        self._record_value(value, value, _checked(attributes))


class MetricHistogram(_Metric):
    """A distribution of values."""

    lua_name: ClassVar[str] = "temporal.MetricHistogram"
    lua_prefix: ClassVar[str] = "histogram"

    @method
    def record(self, value: float, attributes: dict[str, Value] | None = None) -> None:
        """Record a value.

        Args:
            value: A non-negative number; seconds for a histogram of `create_histogram_timedelta`.
            attributes: Attributes by name: strings, numbers or booleans. Each combination is a separate series.
        """
        self._record_value(value, value, _checked(attributes))


class MetricGauge(_Metric):
    """A value that can go up and down. The last value is reported."""

    lua_name: ClassVar[str] = "temporal.MetricGauge"
    lua_prefix: ClassVar[str] = "gauge"

    @method
    def set(self, value: float, attributes: dict[str, Value] | None = None) -> None:
        """Set the value.

        Args:
            value: A non-negative number.
            attributes: Attributes by name: strings, numbers or booleans. Each combination is a separate series.
        """
        self._record_value(value, value, _checked(attributes))


class MetricMeter:
    """Creates custom metrics. The worker's `metrics` option exports them; without it they are not recorded.

    Creating a metric with an existing name returns the same metric. All metrics have the attributes `namespace` and
    `task_queue`, and `workflow_type` or `activity_type`.
    """

    lua_name: ClassVar[str] = "temporal.MetricMeter"
    lua_prefix: ClassVar[str] = "meter"
    lua_needs: ClassVar[Needs] = NOTHING

    def __init__(self, sdk: common.MetricMeter, is_muted: Callable[[], bool] = lambda: False) -> None:
        """Wrap the SDK's meter. Nothing is recorded while `is_muted` returns true."""
        self._sdk = sdk
        self._is_muted = is_muted

    @method
    def create_counter(self, name: Name, options: MetricOptions | None = None) -> MetricCounter:
        """Create a counter: a monotonically increasing sum.

        Args:
            name: The name of the metric, such as "orders_done".
            options: Description and unit.
        """
        metric = self._sdk.create_counter(*_arguments(name, options))
        return MetricCounter(metric.add, "a non-negative integer", self._is_muted)

    @method
    def create_histogram(self, name: Name, options: MetricOptions | None = None) -> MetricHistogram:
        """Create a histogram: a distribution of values.

        Args:
            name: The name of the metric.
            options: Description and unit.
        """
        metric = self._sdk.create_histogram_float(*_arguments(name, options))
        return MetricHistogram(metric.record, "a non-negative number", self._is_muted)

    @method
    def create_histogram_timedelta(self, name: Name, options: MetricOptions | None = None) -> MetricHistogram:
        """Create a histogram of durations.

        Values are recorded in seconds and exported like the SDK's durations: in milliseconds, or in seconds with the
        worker's option `metrics.durations_as_seconds`.

        Args:
            name: The name of the metric.
            options: Description and unit.
        """
        metric = self._sdk.create_histogram_timedelta(*_arguments(name, options))

        def record(value: float, attributes: Attributes | None) -> None:
            metric.record(timedelta(seconds=value), attributes)

        return MetricHistogram(record, "a non-negative number", self._is_muted)

    @method
    def create_gauge(self, name: Name, options: MetricOptions | None = None) -> MetricGauge:
        """Create a gauge: a value that can go up and down.

        Args:
            name: The name of the metric.
            options: Description and unit.
        """
        metric = self._sdk.create_gauge_float(*_arguments(name, options))
        return MetricGauge(metric.set, "a non-negative number", self._is_muted)

    @method
    def with_additional_attributes(self, attributes: dict[str, Value]) -> MetricMeter:
        """Return a meter that adds these attributes to its metrics.

        Args:
            attributes: Attributes by name: strings, numbers or booleans.
        """
        return MetricMeter(self._sdk.with_additional_attributes(_checked(attributes) or {}), self._is_muted)


def _check_name(argument: str, name: str) -> None:
    if not _NAME.fullmatch(name):
        expected = "a name of letters, digits and underscores that does not start with a digit"
        raise BuiltinError(f"bad argument '{argument}' ({expected} expected, got '{name}')")


def _arguments(name: str, options: MetricOptions | None) -> tuple[str, str | None, str | None]:
    _check_name("name", name)
    options = options or MetricOptions()
    return name, options.description or None, options.unit or None


def _checked(attributes: dict[str, Value] | None) -> Attributes | None:
    for name, value in (attributes or {}).items():
        _check_name("attributes", name)
        if not isinstance(value, str | bool | int | float):
            got = "table" if isinstance(value, dict | list) else "invalid UTF-8"
            raise BuiltinError(f"bad argument 'attributes.{name}' (a string, number or boolean expected, got {got})")
    return attributes


def add_handles(library: Library) -> None:
    """Register the handle classes with a library."""
    for cls in (MetricMeter, MetricCounter, MetricHistogram, MetricGauge):
        library.handle(cls)
