"""Weights of a synapse against the rounded ones: what kind of difference it is, from a whole branch down to one weight."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from qif_deploy.fidelity.finding import Finding, Kind, Severity
from qif_deploy.fidelity.ideal_codes import IdealBranch, IdealNode

TOLERANCE = 2.0**-30
SHIFTS = tuple(n for size in range(1, 9) for n in (size, -size))
Flags = NDArray[np.bool_]


def weight_findings(node: IdealNode) -> Iterator[Finding]:
    """Yield the deviations of all branches into a population or readout; two shifts that stand in each other's place are one."""
    found = {branch.name: list(_branch_findings(node.name, branch)) for branch in node.branches}
    shifted = {name: rows[0] for name, rows in found.items() if rows and rows[0].kind is Kind.BRANCH_SHIFT}
    swapped: set[str] = set()
    for a, first in shifted.items():
        for b, second in shifted.items():
            if a < b and not {a, b} & swapped and (first.expected, first.found) == (second.found, second.expected):
                swapped |= {a, b}
                yield replace(
                    first,
                    kind=Kind.BRANCH_SHIFTS_SWAPPED,
                    text=f"branches {a!r} and {b!r} have each other's shift: {first.found:g} and {second.found:g}",
                )
    for name, rows in found.items():
        if name not in swapped:
            yield from rows


def _branch_findings(place: str, branch: IdealBranch) -> Iterator[Finding]:
    wrong = _off(branch.codes, branch.exact)
    if not wrong.any():
        return
    shift = _shift_error(branch)
    if shift is not None:
        yield Finding(
            place=place, branch=branch.name, kind=Kind.BRANCH_SHIFT, severity=Severity.DAMAGE,
            expected=float(branch.shift - shift), found=float(branch.shift),
            text=f"shift of branch {branch.name!r} is {branch.shift} where its weights say {branch.shift - shift}",
        )  # fmt: skip
        return
    clipped = wrong & _clipped(branch)
    if clipped.any():
        yield _entries(place, branch, Kind.WEIGHTS_CLIPPED, clipped)
    wrong = wrong & ~clipped
    scaled = (np.count_nonzero(wrong, axis=1) > 1) & _scaled_rows(branch)
    if scaled.any():
        yield _scale(place, branch, scaled)
    rest = wrong & ~scaled[:, None]
    dropped = rest & (branch.codes == 0)
    for kind, entries in ((Kind.WEIGHT_DROPPED, dropped), (Kind.WEIGHT, rest & ~dropped)):
        if entries.any():
            yield _entries(place, branch, kind, entries)


def _off(codes: NDArray[np.float64], exact: NDArray[np.float64]) -> Flags:
    found: Flags = np.abs(codes - exact) > 0.5 + TOLERANCE * np.abs(exact)
    return found


def _clipped(branch: IdealBranch) -> Flags:
    """Where a code stands at the largest magnitude of its synapse, and the exact one lies beyond it on the same side."""
    limit = np.abs(branch.codes).max()
    found: Flags = (np.abs(branch.codes) == limit) & (branch.codes * branch.exact > 0) & (np.abs(branch.exact) > limit)
    return found


def _shift_error(branch: IdealBranch) -> int | None:
    """Return by how much the shift is too large, if all the codes are right for another one."""
    if not branch.codes.any():
        return None
    for n in SHIFTS:
        if not _off(branch.codes, branch.exact * 2.0**n).any():
            return n
    return None


def _scaled_rows(branch: IdealBranch) -> Flags:
    """Rows of which all weights are off by one factor that is not 0."""
    square = np.square(branch.exact).sum(axis=1)
    ratio = (branch.codes * branch.exact).sum(axis=1) / np.where(square > 0, square, 1.0)
    # Codes may have been scaled before or after they were rounded; the factor itself is known to half a code over the row's length.
    allowed = 0.5 + 0.5 * np.abs(ratio)[:, None] + 0.5 * np.abs(branch.exact) / np.sqrt(np.where(square > 0, square, 1.0))[:, None]
    close = (np.abs(branch.codes - ratio[:, None] * branch.exact) <= allowed).all(axis=1)
    found: Flags = close & branch.codes.any(axis=1) & (square > 0)
    return found


def _scale(place: str, branch: IdealBranch, rows: Flags) -> Finding:
    channel = int(np.flatnonzero(rows)[0])
    codes, exact = branch.codes[channel], branch.exact[channel]
    ratio = float((codes * exact).sum() / np.square(exact).sum())
    return Finding(
        place=place, branch=branch.name, kind=Kind.WEIGHT_SCALE, severity=Severity.DAMAGE, channels=_indices(rows),
        expected=1.0, found=ratio,
        text=f"all weights of channel {channel} of {branch.name!r} are {ratio:.4g} times what the model says",
    )  # fmt: skip


def _entries(place: str, branch: IdealBranch, kind: Kind, entries: Flags) -> Finding:
    off = np.where(entries, np.abs(branch.codes - branch.exact), -1.0)
    index = np.unravel_index(int(off.argmax()), branch.codes.shape)
    where = tuple(int(n) for n in np.unravel_index(int(off.argmax()), branch.node.weight.shape))
    return Finding(
        place=place, branch=branch.name, kind=kind, severity=Severity.DAMAGE, channels=_indices(entries.any(axis=1)),
        expected=float(branch.exact[index]), found=float(branch.codes[index]),
        text=f"{int(entries.sum())} of {entries.size} weights of {branch.name!r}; the furthest, at {where}, is {branch.codes[index]:g} "
        f"where the model says {branch.exact[index]:.4g} codes",
    )  # fmt: skip


def _indices(flags: Flags) -> tuple[int, ...]:
    return tuple(int(c) for c in np.flatnonzero(flags))


__all__ = ["weight_findings"]
