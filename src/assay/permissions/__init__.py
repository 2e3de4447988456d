"""What a script may do: a policy, and what builtins ask it before they act.

`needs` is what a declaration states, `policy` answers; `hosts`, `paths` and `programs` say what the names in a policy
cover, and `settings` reads them from the command line and from `assay.toml`. Nothing here knows Lua or a builtin.
"""

from __future__ import annotations

from assay.permissions.policy import EVERYTHING, Permissions

__all__ = ["EVERYTHING", "Permissions"]
