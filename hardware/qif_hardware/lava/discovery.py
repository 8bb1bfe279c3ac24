"""Finding process models once per kind of process: Lava's compiler executes every file beside a Process again for each one.

That is nearly all of its time, about 30 ms a process. What it finds depends on the type alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lava.magma.compiler.compiler_graphs import ProcGroupDiGraphs


@contextmanager
def discovery_once() -> Iterator[None]:
    """Within the block Lava's compiler looks for the models of each type of Process once."""
    find = ProcGroupDiGraphs._find_proc_models
    found: dict[type[Any], list[Any]] = {}

    def find_once(proc: Any) -> list[Any]:
        kind = type(proc)
        if kind not in found:
            found[kind] = find(proc)
        return list(found[kind])

    ProcGroupDiGraphs._find_proc_models = staticmethod(find_once)
    try:
        yield
    finally:
        ProcGroupDiGraphs._find_proc_models = staticmethod(find)
