"""What a parsed text may hold: plain values, not too deep, and numbers that the arithmetic behind it can hold."""

from __future__ import annotations

from typing import Any

from qif_deploy.reading.limits import MAX_DEPTH, MAX_WHOLE


def require_bounded(value: Any) -> None:
    """Refuse nesting beyond ``MAX_DEPTH`` and whole numbers beyond ``MAX_WHOLE``; no recursion, so that depth cannot end it.

    Raises:
        ValueError: that, in words.
    """
    waiting: list[tuple[Any, int]] = [(value, 0)]
    while waiting:
        item, depth = waiting.pop()
        if depth > MAX_DEPTH:
            raise ValueError(f"it is nested more than {MAX_DEPTH} deep")
        match item:
            case dict():
                waiting += [(inner, depth + 1) for inner in item.values()]
            case list():
                waiting += [(inner, depth + 1) for inner in item]
            case int() if abs(item) > MAX_WHOLE:
                raise ValueError(f"a whole number of it exceeds {MAX_WHOLE}")
            case _:
                pass
