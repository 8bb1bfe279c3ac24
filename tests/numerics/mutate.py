"""Mutants: a module loaded from its own source with some text replaced."""

from __future__ import annotations

import importlib
import inspect
import sys
from types import ModuleType
from typing import Any


def mutant(module_name: str, *replaced: str, **patched: Any) -> ModuleType:
    """Return a fresh copy of ``module_name``; ``replaced`` goes old, new, old, new, and each old text must occur exactly once.

    ``patched`` replaces names of the copy, so that a mutant can be built upon another one.
    """
    source = inspect.getsource(importlib.import_module(module_name))
    for old, new in zip(replaced[::2], replaced[1::2], strict=True):
        assert source.count(old) == 1, f"{old!r} occurs {source.count(old)} times in {module_name}; mend the mutant"
        source = source.replace(old, new)
    copy = ModuleType(f"mutant_of_{module_name.replace('.', '_')}")
    sys.modules[copy.__name__] = copy  # dataclasses look their module up
    exec(compile(source, f"<{copy.__name__}>", "exec"), copy.__dict__)
    vars(copy).update(patched)
    return copy
