"""The random numbers of a run, which replays repeat."""

from __future__ import annotations

import random
from uuid import UUID


class RandomStreams:
    """Two streams from the seed of a run: one for scripts, one for ids that the engine generates.

    The streams are separate, so that an additional `ctx:uuid()` in a script does not change the ids of child workflows.
    """

    __slots__ = ("_first_lua_seed", "_ids", "_numbers", "_seed")

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._numbers: random.Random | None = None
        self._first_lua_seed: int | None = None
        self._ids: random.Random | None = None

    def numbers(self) -> random.Random:
        """Return the stream from which scripts draw."""
        if self._numbers is None:
            self._numbers = random.Random(self._seed)
            self._first_lua_seed = self._numbers.getrandbits(62)
        return self._numbers

    def lua_seed(self) -> int:
        """Return a seed for `math.random`. The first seed is always the first number of the stream."""
        numbers = self.numbers()
        seed, self._first_lua_seed = self._first_lua_seed, None
        return numbers.getrandbits(62) if seed is None else seed

    def uuid(self) -> str:
        """Return a UUID for a script."""
        return str(UUID(bytes=self.numbers().getrandbits(128).to_bytes(16, "big"), version=4))

    def engine_id(self) -> str:
        """Return a UUID for an id that the engine generates."""
        if self._ids is None:
            self._ids = random.Random(f"names {self._seed}")
        return str(UUID(bytes=self._ids.randbytes(16), version=4))

    def reseed(self, seed: int) -> None:
        """Continue with another seed, after a reset of the workflow; the first seed of `math.random` is kept."""
        first = self._first_lua_seed if self._numbers is not None else random.Random(self._seed).getrandbits(62)
        self._seed, self._ids = seed, None
        self._numbers, self._first_lua_seed = random.Random(seed), first
