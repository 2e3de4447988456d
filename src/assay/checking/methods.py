"""Declarations of libraries and methods for the rules."""

from __future__ import annotations

import importlib
from functools import cache

from assay.libraries import LIBRARIES
from assay.lua.declare import Function, Library
from assay.temporal.workflow.ctx.context import Context


@cache
def library(name: str) -> Library:
    """Return the declaration of a library by the name of its global."""
    declaration: Library = importlib.import_module(LIBRARIES[name][0]).library
    return declaration


def _methods(cls: type) -> dict[str, Function]:
    declared = Library("", "")
    declared.handle(cls)
    return {method.name: method for method in declared.handles[0].methods if not method.name.startswith("_")}


METHODS = _methods(Context)
"""The methods of `ctx` by name."""
