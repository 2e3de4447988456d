"""Renders templates with minijinja, with limits, and values and filters that behave as in Jinja2."""

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
"""Stack sizes in bytes, the second for systems that refuse the first. Unused stack takes no memory."""
_stack_size_lock = threading.Lock()

_prepare = lru_cache(maxsize=32)(source.prepare)


def render(text: str, name: str, variables: dict[str, Any], load: Load) -> str:
    """Render a template. Raises BuiltinError.

    Args:
        text: The source.
        name: The name of the template, for errors and escaping.
        variables: The variables.
        load: Function that returns the source of an included template, or None if there is none.
    """
    prepared = _prepare(text, name)
    context = {key: values.wrap(value) for key, value in variables.items()}
    environment = minijinja.Environment(loader=_loader(load), finalizer=minijinja.pass_state(values.finalize))
    for filter_name, function in FILTERS.items():
        environment.add_filter(filter_name, function)
    environment.add_filter(source.COPY_FILTER, values.copy_for_attribute)
    call = _Call(lambda: environment.render_str(prepared.text, name, **context))
    if prepared.is_flat:
        call.run()
    else:
        call.run_with_large_stack()
    if call.error is not None:
        raise _to_builtin_error(call.error, name) from None
    return call.result


def _loader(load: Load) -> Load:
    def load_prepared(name: str) -> str | None:
        text = load(name)
        return None if text is None else _prepare(text, name).text

    return load_prepared


class _Call:
    """A function call, on this thread or on one with a large stack."""

    def __init__(self, function: Callable[[], str]) -> None:
        self._function = function
        self.result = ""
        self.error: Exception | None = None

    def run(self) -> None:
        try:
            self.result = self._function()
        except Exception as error:
            self.error = error

    def run_with_large_stack(self) -> None:
        """Run on a thread whose stack suffices for the deepest nesting that `source.py` allows."""
        for size in _LARGE_STACKS:
            thread = threading.Thread(target=self.run, name="template")
            with _stack_size_lock:
                default = threading.stack_size(size)
                try:
                    thread.start()
                except RuntimeError:
                    continue
                finally:
                    threading.stack_size(default)
            thread.join()
            return
        self.run()


def _to_builtin_error(error: Exception, name: str) -> Exception:
    if isinstance(error, minijinja.TemplateError):
        return BuiltinError(_message(error))
    if isinstance(error, RecursionError):
        return BuiltinError(f"a value is nested too deeply to be printed (in {name})")
    if isinstance(error, AttributeError | TypeError):
        method = getattr(error, "name", None)
        problem = (
            f"a table or an array has no method '{method}'" if method else "call of a value that is not a function"
        )
        return BuiltinError(f"{problem} (in {name})")
    return error


def _message(error: minijinja.TemplateError) -> str:
    """Return the messages of a chain of errors in one line, without the source excerpts of minijinja's message."""
    first, *rest = str(error).splitlines()
    return ": ".join([first, *(line.removeprefix(_CAUSE) for line in rest if line.startswith(_CAUSE))])
