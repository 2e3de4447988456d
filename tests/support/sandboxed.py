"""Lua code that the real command runs in a sandbox, and what became of it."""

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
    """`kind` is "allowed", "denied" or that of another error; `flag` is what would allow it, or what was returned."""

    kind: str
    flag: str
    message: str


def attempt(assay: Command, code: str, *options: str) -> Outcome:
    """Run the body of a function with `--sandbox` and other options."""
    result = assay.run("exec", "--sandbox", *options, "-e", _HARNESS.replace("{code}", code))
    assert (result.stderr, result.returncode) == ("", 0)
    kind, *rest = result.stdout.removesuffix("\n").split("\t", 2)
    return Outcome(kind, *[*rest, "", ""][:2])
