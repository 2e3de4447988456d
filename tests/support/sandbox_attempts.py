"""Lua code that the command runs in a sandbox, and its outcome."""

from __future__ import annotations

from typing import NamedTuple

from command import Command

_HARNESS = """
local ok, result = pcall(function() {code} end)
if ok then
  print("allowed", tostring(result))
elseif type(result) == "table" then
  print(result.kind, result.flag, result.message)
else
  print("error", nil, result)
end
"""


class Outcome(NamedTuple):
    """`kind` is "allowed" or the kind of the error; `flag` is the option that would allow the call, or its result."""

    kind: str
    flag: str
    message: str


def attempt(assay: Command, code: str, *options: str) -> Outcome:
    """Run the body of a function with `--sandbox` and other options."""
    result = assay.run("exec", "--sandbox", *options, "-e", _HARNESS.replace("{code}", code))
    assert (result.stderr, result.returncode) == ("", 0)
    kind, *rest = result.stdout.removesuffix("\n").split("\t", 2)
    return Outcome(kind, *[*rest, "", ""][:2])
