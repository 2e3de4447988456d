"""Every exception of assay.

AssayError              anything that assay raises on purpose
├── LuaError            Lua code raised an error: message, value, Lua traceback
│   └── LuaSyntaxError  Lua source that does not parse: the message names file and line
├── ScriptExit          a script called `os.exit`
├── DevServerError      the embedded Temporal server cannot be started
├── WireError           a Python value that Lua has no word for
├── BuiltinError        a builtin refuses or fails; Lua sees "<function>: <message>"
└── ErrorObject         a builtin fails and has more to say than a text; Lua sees an error object
    ├── DeniedError     the permissions of the script do not allow it
    └── RestError       Temporal's HTTP API refused a call, or could not be asked
"""

from __future__ import annotations

from typing import Any, ClassVar


class AssayError(Exception):
    """Anything that assay raises on purpose."""


class LuaError(AssayError):
    """Lua code raised an uncaught error.

    `message` is its text, `value` the raised value as plain Python data (`None` when it was only a text or
    cannot be converted), `traceback` the Lua traceback with file and line of the script. `origin` is the exception
    behind an error object that a builtin raised with one.
    """

    def __init__(
        self, message: str, value: Any = None, traceback: str = "", origin: BaseException | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.value = value
        self.traceback = traceback
        self.origin = origin

    @property
    def report(self) -> str:
        """The text for a reader: the message, with the data of an error table that has no text of its own."""
        if isinstance(self.value, dict | list) and self.message.startswith("(error object"):
            import json

            return f"{self.message} {json.dumps(self.value, default=repr, ensure_ascii=False)}"
        return self.message


class LuaSyntaxError(LuaError):
    """Lua source that does not parse."""


class ScriptExit(AssayError):
    """A script that an `assay.Runtime` runs called `os.exit`: `code` is the exit code."""

    def __init__(self, code: int) -> None:
        super().__init__(f"the script called os.exit({code})")
        self.code = code


class DevServerError(AssayError):
    """The embedded Temporal server cannot be started."""


class WireError(AssayError):
    """A Python value that Lua has no word for: a function, an integer of more than 64 bits, too deep a nesting."""


class BuiltinError(AssayError):
    """A builtin refuses its arguments or fails; the binding puts the function's name before the message."""


class ErrorObject(AssayError):
    """A builtin fails with an error object: `message`, and `fields` such as `kind`, `type`, `details`, `cause`.

    `origin`, when set, is the exception behind it: it comes back in `LuaError.origin` if Lua lets the error through.
    """

    is_whole: ClassVar[bool] = True
    """Whether the message represents itself; else the binding puts the function's name before it."""

    def __init__(self, message: str, **fields: Any) -> None:
        super().__init__(message)
        self.fields = {"message": message, **fields}
        self.origin: BaseException | None = None


class DeniedError(ErrorObject):
    """The permissions of the script do not allow an action.

    In Lua its `kind` is "denied" and `flag` the option that would allow it, if there is one.
    """

    is_whole = False

    def __init__(self, action: str, flag: str | None = None) -> None:
        hint = "" if flag is None else f"; {flag} would allow it"
        super().__init__(f"{action} is not allowed{hint}", kind="denied", **({} if flag is None else {"flag": flag}))


class RestError(ErrorObject):
    """Temporal's HTTP API refused a call, or could not be asked.

    `message` is its text. `kind` is "not_found", "timeout", "connect", "dns", "protocol", "tls", "redirect", "answer"
    (one that makes no sense) or "rpc" (any other refusal). `status` is the answer's HTTP status and `code` the server's
    gRPC code, each `None` when there was none.
    """

    is_whole = False

    def __init__(self, message: str, *, kind: str, status: int | None = None, code: int | None = None) -> None:
        super().__init__(message, kind=kind, status=status, code=code)
        self.message = message
        self.kind = kind
        self.status = status
        self.code = code
