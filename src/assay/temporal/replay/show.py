"""Formatting of a divergence as a diff of the history and the script."""

from __future__ import annotations

from assay.temporal.replay.engine import Divergence


def show(divergence: Divergence) -> str:
    """Return the message, a diff (with lines that begin with "-  " and "+  ") and the Lua traceback."""
    lines = [divergence.message]
    expected, actual = divergence.expected, divergence.actual
    if expected is not None or actual is not None:
        steps = [*divergence.before, *filter(None, (expected, actual))]
        width = max(len(step.where) for step in steps)
        lines += ["", "--- history", "+++ script"]
        lines += [f"   {step.where:<{width}}  {step}" for step in divergence.before]
        lines.append(f"-  {expected.where:<{width}}  {expected}" if expected else f"-  {'':<{width}}  (nothing more)")
        lines.append(f"+  {actual.where:<{width}}  {actual}" if actual else f"+  {'':<{width}}  (nothing)")
    if divergence.where:
        lines += ["", divergence.where.expandtabs(4)]
    return "\n".join(lines)
