"""The scalar oracle: docs/numerics.md, section 2, in plain Python integers. Imports nothing of the project, on purpose."""

from __future__ import annotations


def rshift(z: int, n: int, mode: str) -> int:
    """Divide by 2**n and round: toward_zero, floor, or nearest with halves away from zero."""
    if n == 0:
        return z
    sign, magnitude = (-1 if z < 0 else 1), abs(z)
    if mode == "toward_zero":
        return sign * (magnitude // 2**n)
    if mode == "nearest":
        return sign * ((magnitude + 2 ** (n - 1)) // 2**n)
    assert mode == "floor"
    return z // 2**n


def sat(z: int, bits: int) -> int:
    """Clip to plus and minus 2**(bits-1) - 1."""
    limit = 2 ** (bits - 1) - 1
    return max(-limit, min(limit, z))


def step(r: int, i: int, k: dict[str, object]) -> tuple[int, int, int]:
    """Return (u, s, r') of one step; ``k`` holds the constants of one channel."""
    c2m, c1m, s2, s1, bits, mode = (k[name] for name in ("c2m", "c1m", "s2", "s1", "state_bits", "rounding"))
    h = sat(rshift(c2m * r, s2, mode) + c1m, bits)
    u = sat(rshift(h * r, s1, mode) + i, bits)
    if k["u_min"] is not None:
        u = max(u, k["u_min"])
    if k["theta"] is None:
        return u, 0, u
    s = 1 if u >= k["theta"] else 0
    if k["reset_mode"] == "hard":
        return u, s, k["reset"] if s else u
    return u, s, sat(u - k["reset_by"] * s, bits)


def run(inputs: list[int], k: dict[str, object]) -> list[tuple[int, int, int]]:
    """Return (u, s, r') for every step, from r0."""
    r, out = k["r0"], []
    for i in inputs:
        out.append(step(r, i, k))
        r = out[-1][2]
    return out


def branch_input(branches: list[tuple[list[int], list[int], int]], bias: int) -> int:
    """``sum_b(acc_b << k_b) + bias`` for branches of (weights, spikes, shift)."""
    return sum(sum(w * s for w, s in zip(weights, spikes, strict=True)) * 2**shift for weights, spikes, shift in branches) + bias
