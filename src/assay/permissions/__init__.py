"""Permissions of a script, and the checks that builtins make before they act.

`needs` are the rights that a declaration states; `policy` checks them; `hosts`, `paths` and `programs` match names with
the entries of a policy; `settings` reads a policy from the command line and from `assay.toml`. This package is
independent of Lua and of the builtins.
"""

from __future__ import annotations

from assay.permissions.policy import EVERYTHING, Permissions

__all__ = ["EVERYTHING", "Permissions"]
