"""Strategies for values that Lua and JSON can represent, and their comparison."""

from __future__ import annotations

import math
from typing import Any

from hypothesis import strategies as st

scalars = st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text() | st.just("\0r1")
keys = st.text() | st.just("\0r1")
trees = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(keys, inner, max_size=5), max_leaves=30
)
json_scalars = st.none() | scalars.filter(lambda value: not (isinstance(value, float) and math.isinf(value)))
json_trees = st.recursive(
    json_scalars, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(keys, inner, max_size=5), max_leaves=30
)


def is_equal(a: Any, b: Any) -> bool:
    """Return true if two values are equal and have the same types."""
    if type(a) is not type(b):
        return False
    if isinstance(a, list):
        return len(a) == len(b) and all(map(is_equal, a, b))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(is_equal(item, b[key]) for key, item in a.items())
    if isinstance(a, float):
        return repr(a) == repr(b)
    return bool(a == b)


def without_nulls(value: Any) -> Any:
    """Return a value as it arrives in Lua: without the null fields of objects."""
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    return [without_nulls(item) for item in value] if isinstance(value, list) else value
