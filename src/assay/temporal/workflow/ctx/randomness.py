"""`ctx:random`: random numbers that replays repeat."""

from __future__ import annotations

from assay.errors import BuiltinError
from assay.lua.declare import method
from assay.lua.values import MAX_INTEGER
from assay.temporal.workflow.run.run import Run


class Randomness:
    """Random numbers."""

    _run: Run

    @method
    def random(self, m: int | None = None, n: int | None = None) -> float | int:
        """Return a random number like `math.random`, the same on every replay.

        Without arguments, returns a float in [0, 1). With `m` alone, returns an integer from 1 to `m`, or any integer
        if `m` is 0. With both, returns an integer from `m` to `n`.

        Args:
            m: Largest integer; with `n`, the smallest integer.
            n: Largest integer.
        """
        source = self._run.randomness.numbers()
        if m is None:
            return source.random()
        if m == 0 and n is None:
            return source.getrandbits(64) - MAX_INTEGER - 1
        least, most = (1, m) if n is None else (m, n)
        if least > most:
            name = "m" if n is None else "n"
            raise BuiltinError(f"bad argument '{name}' (the interval from {least} to {most} is empty)")
        return source.randint(least, most)
