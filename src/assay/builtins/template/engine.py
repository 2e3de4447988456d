"""Rendering: the engine with our values, filters and limits."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import minijinja

from assay.builtins.template import source, values
from assay.builtins.template.filters import FILTERS
from assay.errors import BuiltinError

Load = Callable[[str], str | None]

_CAUSE = "caused by: "
_LARGE_STACKS = (512 << 20, 64 << 20)
"""Bytes; only what is used of it takes memory. The second is for systems that refuse to reserve the first."""
_stack_size_lock = threading.Lock()

_prepare = lru_cache(maxsize=32)(source.prepare)


def render(text: str, name: str, variables: dict[str, Any], load: Load) -> str:
    """Render a template whose includes `load` finds. Raises BuiltinError."""
    prepared = _prepare(text, name)
    context = {key: values.wrap(value) for key, value in variables.items()}
    environment = minijinja.Environment(loader=_loader(load), finalizer=minijinja.pass_state(values.finalize))
    for filter_name, function in FILTERS.items():
        environment.add_filter(filter_name, function)
    environment.add_filter(source.CARRY, values.carry)
    work = _Work(lambda: environment.render_str(prepared.text, name, **context))
    if prepared.is_flat:
        work.do()
    else:
        work.do_with_large_stack()
    if work.error is not None:
        raise _explained(work.error, name) from None
    return work.result


def _loader(load: Load) -> Load:
    def checked(name: str) -> str | None:
        text = load(name)
        return None if text is None else _prepare(text, name).text

    return checked


class _Work:
    """A call, here or on a thread whose stack is large."""

    def __init__(self, call: Callable[[], str]) -> None:
        self._call = call
        self.result = ""
        self.error: Exception | None = None

    def do(self) -> None:
        try:
            self.result = self._call()
        except Exception as error:
            self.error = error

    def do_with_large_stack(self) -> None:
        """Values can be nested as deeply as calls and the sources allow; see `source.py`."""
        for size in _LARGE_STACKS:
            thread = threading.Thread(target=self.do, name="template")
            with _stack_size_lock:
                usual = threading.stack_size(size)
                try:
                    thread.start()
                except RuntimeError:
                    continue
                finally:
                    threading.stack_size(usual)
            thread.join()
            return
        self.do()


def _explained(error: Exception, name: str) -> Exception:
    if isinstance(error, minijinja.TemplateError):
        return BuiltinError(_describe(error))
    if isinstance(error, RecursionError):
        return BuiltinError(f"a value is nested too deeply to be printed (in {name})")
    if isinstance(error, AttributeError | TypeError):
        method = getattr(error, "name", None)
        what = f"a table or an array has no method '{method}'" if method else "a value is used as a function"
        return BuiltinError(f"{what} (in {name})")
    return error


def _describe(error: minijinja.TemplateError) -> str:
    """The errors of a chain in one line, the innermost last; the other lines show the source."""
    first, *rest = str(error).splitlines()
    return ": ".join([first, *(line.removeprefix(_CAUSE) for line in rest if line.startswith(_CAUSE))])
