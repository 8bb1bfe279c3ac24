"""Integer operations that stay in the width of their operands, for compiled code.

numba widens ``int32 * int32`` to int64, as NumPy's scalars do not; the wide form halves the lanes of the vector units. Both operands
have one type and so has the result; what does not fit wraps, which the plan excludes or allows (partial sums of branches).
"""

# mypy: disable-error-code="no-untyped-def, no-untyped-call"
# An intrinsic is typed by numba, from the operands of each call.

from __future__ import annotations

from typing import Any

from qif_deploy.simulate.engine._numba import intrinsic


def _operation(name: str) -> Any:
    """Return the LLVM instruction ``name`` as a function of two integers of one type."""

    def typed(_context, a, b):
        def generate(_target, builder, _signature, arguments):
            return getattr(builder, name)(*arguments)

        return (a(a, b), generate) if a == b else None

    typed.__name__ = name
    return intrinsic(typed)


add, sub, mul, both, left, right = (_operation(name) for name in ("add", "sub", "mul", "and_", "shl", "ashr"))
"""``a + b``, ``a - b``, ``a * b``, ``a & b``, ``a << b``, and ``a >> b`` with the sign kept."""


@intrinsic
def like(_context, value, pattern):
    """Cast ``value`` to the type of ``pattern``."""

    def generate(target, builder, signature, arguments):
        return target.cast(builder, arguments[0], signature.args[0], signature.return_type)

    return pattern(value, pattern), generate
