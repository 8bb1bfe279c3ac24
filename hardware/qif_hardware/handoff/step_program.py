"""The integer step of one population as a list of operations, in the order and widths in which a chip has to do them.

Horner form, two multiplications: ``h = sat(rshift(c2m r, s2) + c1m)``, ``u = sat(rshift(h r, s1) + i)``; docs/numerics.md, section 2.
Held equal to ``fixed_step`` by the tests, which execute these lists.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from typing_extensions import assert_never

from qif_deploy.analysis.range_proof import PopulationProof
from qif_deploy.ir.nodes import Conv2dCodes, DenseCodes
from qif_deploy.neuron.constants import FixedConstants
from qif_deploy.neuron.params import ResetMode


class Operator(enum.Enum):
    """What an operation does with its operands a, b, c."""

    ADD = "a + b"
    SUBTRACT = "a - b"
    MULTIPLY = "a * b"
    SHIFT_LEFT = "a << b"
    SHIFT_RIGHT = "a / 2^b, rounded"
    SATURATE = "a limited to -b..b"
    AT_LEAST = "max(a, b)"
    REACHED = "1 if a >= b else 0"
    SELECT = "b if a else c"
    COPY = "a"


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """``result`` gets ``operator`` of ``operands``: names of results before, of constants or inputs, or whole numbers.

    ``quantity`` is the name of the result in the bit-width contract, None where it has no line of its own there.
    """

    result: str
    operator: Operator
    operands: tuple[str | int, ...]
    quantity: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {"result": self.result, "operator": self.operator.name, "operands": list(self.operands), "quantity": self.quantity}


def current_program(branches: Mapping[str, DenseCodes | Conv2dCodes]) -> tuple[Operation, ...]:
    """Return the operations from the sums ``acc.BRANCH`` over each fan-in to the input ``i``."""
    operations, total = [], "bias"
    for name, node in branches.items():
        shifted = f"shifted.{name}"
        operations.append(Operation(result=shifted, operator=Operator.SHIFT_LEFT, operands=(f"acc.{name}", node.shift)))
        operations.append(Operation(result="i", operator=Operator.ADD, operands=(total, shifted), quantity="i"))
        total = "i"
    return tuple(operations)


def step_program(k: FixedConstants) -> tuple[Operation, ...]:
    """Return the operations from the input ``i`` and the state ``r`` to ``u``, the spike ``s`` and the next ``r``."""
    limit = k.number_format.state_limit
    operations = []

    def do(result: str, operator: Operator, *operands: str | int, quantity: str | None = None) -> None:
        operations.append(Operation(result=result, operator=operator, operands=operands, quantity=quantity))

    slope: str = "c1m"
    if k.c2m.any():
        do("c2m_r", Operator.MULTIPLY, "c2m", "r", quantity="c2m_r")
        do("curved", Operator.SHIFT_RIGHT, "c2m_r", "s2")
        do("slope", Operator.ADD, "curved", "c1m")
        slope = "slope"
    do("h", Operator.SATURATE, slope, limit, quantity="h")
    do("h_r", Operator.MULTIPLY, "h", "r", quantity="h_r")
    do("kept", Operator.SHIFT_RIGHT, "h_r", k.s1)
    do("sum", Operator.ADD, "kept", "i")
    do("u", Operator.SATURATE, "sum", limit, quantity="u")
    if k.u_min is not None:
        do("u", Operator.AT_LEAST, "u", "u_min", quantity="u")
    if k.theta is None:
        do("s", Operator.COPY, 0)
        do("r", Operator.COPY, "u", quantity="r")
        return tuple(operations)
    do("s", Operator.REACHED, "u", "theta")
    match k.reset_mode:
        case ResetMode.HARD:
            do("r", Operator.SELECT, "s", "reset", "u", quantity="r")
        case ResetMode.SUBTRACT:
            do("less", Operator.SUBTRACT, "u", "reset_by")
            do("lowered", Operator.SATURATE, "less", limit)
            do("r", Operator.SELECT, "s", "lowered", "u", quantity="r")
        case _:
            assert_never(k.reset_mode)
    return tuple(operations)


def bit_widths(proof: PopulationProof) -> dict[str, dict[str, Any]]:
    """Return the contract: per quantity its proven range, the signed width that holds it, its limit and the verdict."""
    return {
        name: {"lo": q.lo, "hi": q.hi, "bits": q.bits, "limit": q.limit, "verdict": q.verdict.value} for name, q in proof.ranges.items()
    }
