"""`ctx`: random numbers that a replay repeats."""

from __future__ import annotations

from assay.errors import BuiltinError
from assay.lua.declare import method
from assay.lua.values import MAX_INTEGER
from assay.temporal.workflow.run.run import Run


class Randomness:
    """`ctx:random`."""

    _run: Run

    @method
    def random(self, m: int | None = None, n: int | None = None) -> float | int:
        """Return a random number, the same on every replay, as `math.random` does.

        Without arguments a float from 0 up to, but not including, 1; with `m` an integer from 1 to `m` (any integer at
        all if `m` is 0); with both an integer from `m` to `n`.

        Args:
            m: The smallest, or, alone, the largest integer.
            n: The largest integer.
        """
        source = self._run.random()
        if m is None:
            return source.random()
        if m == 0 and n is None:
            return source.getrandbits(64) - MAX_INTEGER - 1
        least, most = (1, m) if n is None else (m, n)
        if least > most:
            name = "m" if n is None else "n"
            raise BuiltinError(f"bad argument '{name}' (the interval from {least} to {most} is empty)")
        return source.randint(least, most)
