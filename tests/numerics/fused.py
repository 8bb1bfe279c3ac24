"""The fused kernel as a function of constants and currents, compiled or as plain Python, and the properties that hold it."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import Phase, assume, given, settings
from hypothesis import strategies as st

from qif_deploy.neuron.constants import FixedConstants
from qif_deploy.neuron.params import ResetMode
from tests.numerics import oracle
from tests.numerics.mutate import mutant
from tests.strategies import codes, constants, oracle_constants

KERNEL, CONSTANTS = "qif_deploy.simulate.engine.neuron_kernel", "qif_deploy.simulate.engine.fused_constants"
CHECK = settings(max_examples=200, deadline=None, derandomize=True, database=None, phases=(Phase.explicit, Phase.generate))

Run = Callable[[FixedConstants, np.ndarray], tuple[np.ndarray, np.ndarray, np.ndarray]]
"""Constants and currents without bias ``(time, channel)`` to ``u`` and ``s`` alike, and saturations ``(channel,)``."""


def fused_run(population_pass: Callable[..., None], fused_constants: Callable[..., Any], dtype: type = np.int64) -> Run:
    """A run through the kernel; every channel is a sample of its own, so that saturations are told apart."""

    def run(k: FixedConstants, currents: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        f = fused_constants(k, dtype)
        channels = currents.shape[1]
        sums = np.ascontiguousarray(np.broadcast_to(currents[None, :, None, :], (channels, len(currents), 1, channels)), dtype)
        u, i = np.empty(sums.shape, np.int32), np.empty(sums.shape, dtype)
        s, rates = np.empty(sums.shape, np.uint8), np.zeros((channels, 1), np.int64)
        driven, saturated = np.zeros((2, channels), np.int64)
        for c in range(channels):
            at = slice(c, c + 1)
            single = sums[at, :, :, at].copy()
            out = [array[at, :, :, at].copy() for array in (s, i, u)]
            arguments = (f.table[:, at].copy(), f.scalars, 0, 1, out[0], rates[at], driven[at], saturated[at], out[1], out[2])
            population_pass(single, None, None, None, (0, 0, 0), *arguments)
            for array, found in zip((s, i, u), out, strict=True):
                array[at, :, :, at] = found
            if saturated[c] == 0 and _reset_fits(k, out[2], c):
                free = [np.empty_like(array) for array in out]
                arguments = (f.table[:, at].copy(), f.scalars, 0, 1, free[0], rates[at].copy(), driven[at].copy(), None, free[1], free[2])
                population_pass(single, None, None, None, (0, 0, 0), *arguments)
                for array, found in zip(free, out, strict=True):
                    np.testing.assert_array_equal(array, found)
        own = np.arange(channels)
        np.testing.assert_array_equal(i[own, :, 0, own].T, currents + k.bias)
        np.testing.assert_array_equal(rates[:, 0], s[own, :, 0, own].sum(axis=1))
        np.testing.assert_array_equal(driven, (currents != 0).sum(axis=0))
        return u[own, :, 0, own].T, s[own, :, 0, own].T, saturated

    return run


def _reset_fits(k: FixedConstants, u: np.ndarray, channel: int) -> bool:
    """Whether no subtraction left the state, which the count of saturations does not have but the range proof does."""
    return k.reset_mode is ResetMode.HARD or bool((u - k.reset_by[channel] <= k.number_format.state_limit).all())


def plain_kernel(old: str | None = None, new: str = "") -> Callable[..., None]:
    """The kernel, or a mutant of it, as Python runs it: nothing is compiled, every operation is one of NumPy's int64."""
    operations = {
        "add": operator.add, "sub": operator.sub, "mul": operator.mul, "both": operator.and_,
        "left": operator.lshift, "right": operator.rshift,
        "like": lambda value, pattern: type(pattern)(value),
    }  # fmt: skip
    kernel: Callable[..., None] = mutant(KERNEL, *(() if old is None else (old, new)), **operations).population_pass.py_func
    return kernel


def run_equals_oracle(run: Run) -> None:
    """``u`` and ``s`` of every step, all modes, both resets, clamp, no threshold; what a step leaves shows in the next one's ``u``."""

    @CHECK
    @given(st.data())
    def check(data: st.DataObject) -> None:
        channels = data.draw(st.integers(1, 2))
        k = data.draw(constants(channels=channels))
        limit = k.number_format.state_limit
        currents = np.array([[data.draw(codes(2 * limit)) for _ in range(channels)] for _ in range(data.draw(st.integers(2, 6)))])
        _assert_as_oracle(run, k, currents)

    check()


def run_meets_threshold(run: Run) -> None:
    """``u`` exactly at, one below and one above theta, and a step behind that tells the resets apart."""

    @CHECK
    @given(constants(), st.integers(-1, 1))
    def check(k: FixedConstants, offset: int) -> None:
        assume(k.theta is not None)
        constant = oracle_constants(k, 0)
        free, _, _ = oracle.step(constant["r0"], 0, constant | {"u_min": None})
        _assert_as_oracle(run, k, np.array([[constant["theta"] + offset - free - constant["bias"]], [1]]))

    check()


def _assert_as_oracle(run: Run, k: FixedConstants, currents: np.ndarray) -> None:
    u, s, saturated = run(k, currents)
    for c in range(currents.shape[1]):
        constant = oracle_constants(k, c)
        inputs = [int(i) for i in currents[:, c] + k.bias[c]]
        steps = oracle.run(inputs, constant)
        assert list(zip(u[:, c].tolist(), s[:, c].tolist(), strict=True)) == [(a, b) for a, b, _ in steps]
        before = [constant["r0"], *(r for _, _, r in steps[:-1])]
        assert saturated[c] == sum(_saturations(r, i, constant) for r, i in zip(before, inputs, strict=True))


def _saturations(r: int, i: int, k: dict[str, Any]) -> int:
    """Values that ``sat`` changes in one step: of ``h`` and of ``u``."""
    wide = oracle.rshift(k["c2m"] * r, k["s2"], k["rounding"]) + k["c1m"]
    h = oracle.sat(wide, k["state_bits"])
    free = oracle.rshift(h * r, k["s1"], k["rounding"]) + i
    return int(wide != h) + int(free != oracle.sat(free, k["state_bits"]))
