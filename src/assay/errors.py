"""The exceptions of assay.

AssayError              base class of all errors that assay raises on purpose
├── LuaError            uncaught Lua error: message, value, Lua traceback
│   └── LuaSyntaxError  Lua source that does not parse: the message names file and line
├── ScriptExit          a script called `os.exit`
├── DevServerError      the embedded Temporal server cannot be started
├── WireError           a Python value that cannot be converted to Lua
├── BuiltinError        a builtin rejects its arguments or fails; Lua sees "<function>: <message>"
└── ErrorObject         a builtin fails with structured fields; Lua sees an error object
    ├── DeniedError     the permissions of the script do not allow an action
    └── RestError       Temporal's HTTP API rejected a call or is unreachable
"""

from __future__ import annotations

from typing import Any, ClassVar


class AssayError(Exception):
    """Base class of all errors that assay raises on purpose."""


class LuaError(AssayError):
    """Lua code raised an uncaught error.

    `value` is the raised value as plain Python data (`None` if it was a string or cannot be converted), `traceback`
    the Lua traceback with files and lines of the script, and `origin` the Python exception behind an error object,
    if it has one.
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
        """The message to show to users; an error table without a message is appended as JSON."""
        if isinstance(self.value, dict | list) and self.message.startswith("(error object"):
            import json

            return f"{self.message} {json.dumps(self.value, default=repr, ensure_ascii=False)}"
        return self.message


class LuaSyntaxError(LuaError):
    """Lua source that does not parse."""


class ScriptExit(AssayError):
    """A script run by an `assay.Runtime` called `os.exit` with the exit code `code`."""

    def __init__(self, code: int) -> None:
        super().__init__(f"the script called os.exit({code})")
        self.code = code


class DevServerError(AssayError):
    """The embedded Temporal server cannot be started."""


class WireError(AssayError):
    """A Python value cannot be converted to Lua: a function, an integer over 64 bits, too deeply nested data."""


class BuiltinError(AssayError):
    """A builtin rejects its arguments or fails; the binding prefixes the message with the function's name."""


class ErrorObject(AssayError):
    """A builtin fails with an error object: `message`, and `fields` such as `kind`, `type`, `details`, `cause`.

    `origin` is the underlying exception, if any; `LuaError.origin` has it if Lua does not catch the error.
    """

    is_whole: ClassVar[bool] = True
    """True if the message is complete; otherwise the binding prefixes it with the function's name."""

    def __init__(self, message: str, **fields: Any) -> None:
        super().__init__(message)
        self.fields = {"message": message, **fields}
        self.origin: BaseException | None = None


class DeniedError(ErrorObject):
    """The permissions of the script do not allow an action.

    In Lua `kind` is "denied" and `flag` is the command-line option that would allow the action, if there is one.
    """

    is_whole = False

    def __init__(self, action: str, flag: str | None = None) -> None:
        hint = "" if flag is None else f"; {flag} would allow it"
        super().__init__(f"{action} is not allowed{hint}", kind="denied", **({} if flag is None else {"flag": flag}))


class RestError(ErrorObject):
    """Temporal's HTTP API rejected a call or is unreachable.

    `kind` is "not_found", "timeout", "connect", "dns", "protocol", "tls", "redirect", "answer" (an invalid response)
    or "rpc" (any other rejection). `status` is the HTTP status and `code` the gRPC code, each `None` if the server
    sent none.
    """

    is_whole = False

    def __init__(self, message: str, *, kind: str, status: int | None = None, code: int | None = None) -> None:
        super().__init__(message, kind=kind, status=status, code=code)
        self.message = message
        self.kind = kind
        self.status = status
        self.code = code
