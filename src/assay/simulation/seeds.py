"""The randomness seed of a run. Core computes it from the run id with SipHash-1-3 and a key of zeros."""

from __future__ import annotations

import functools

_MASK = 2**64 - 1


@functools.lru_cache(maxsize=256)
def randomness_seed(run_id: str) -> int:
    """Return the randomness seed of a run."""
    data = run_id.encode() + b"\xff"  # Rust's hash of a string ends with this byte
    v0, v1, v2, v3 = 0x736F6D6570736575, 0x646F72616E646F6D, 0x6C7967656E657261, 0x7465646279746573
    whole = len(data) // 8 * 8
    words = [int.from_bytes(data[at : at + 8], "little") for at in range(0, whole, 8)]
    words.append(len(data) % 256 << 56 | int.from_bytes(data[whole:], "little"))
    for word in words:
        v0, v1, v2, v3 = _round(v0, v1, v2, v3 ^ word)
        v0 ^= word
    v2 ^= 0xFF
    for _ in range(3):
        v0, v1, v2, v3 = _round(v0, v1, v2, v3)
    return v0 ^ v1 ^ v2 ^ v3


def _round(v0: int, v1: int, v2: int, v3: int) -> tuple[int, int, int, int]:
    v0 = v0 + v1 & _MASK
    v1 = _rotate_left(v1, 13) ^ v0
    v0 = _rotate_left(v0, 32)
    v2 = v2 + v3 & _MASK
    v3 = _rotate_left(v3, 16) ^ v2
    v0 = v0 + v3 & _MASK
    v3 = _rotate_left(v3, 21) ^ v0
    v2 = v2 + v1 & _MASK
    v1 = _rotate_left(v1, 17) ^ v2
    v2 = _rotate_left(v2, 32)
    return v0, v1, v2, v3


def _rotate_left(value: int, bits: int) -> int:
    return (value << bits | value >> 64 - bits) & _MASK
