"""Shared by all tests: deterministic hypothesis runs, and skips that say which package is missing."""

from __future__ import annotations

import os
from importlib.util import find_spec
from typing import Any

import pytest
from hypothesis import settings

from qif_deploy.errors import MissingDependencyError

# Tests start many interpreters. Where this is set, each of them compiles torch and Lava from source anew: seconds instead of tenths.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

settings.register_profile("ci", deadline=None, derandomize=True, database=None)
settings.register_profile("long", deadline=None, max_examples=2000)
settings.load_profile("ci")

OPTIONAL = (
    "torch",
    "lightning",
    "safetensors",
    "nir",
    "h5py",
    "onnx",
    "onnxruntime",
    "lava",
    "sklearn",
    "importlinter",
    "triton",
    "numba",
    "matplotlib",
    "mlxtend",
    "tonic",
    "torchvision",
    "z3",
    "networkx",
    "plotly",
    "jinja2",
    "PIL",
    "sybil",
)


class _Module(pytest.Module):
    """A test module that is skipped, with the reason, when it needs an extra that is not installed."""

    def _getobj(self) -> Any:
        try:
            return super()._getobj()
        except self.CollectError as error:
            cause = error.__cause__
            if isinstance(cause, MissingDependencyError):
                pytest.skip(str(cause), allow_module_level=True)
            if isinstance(cause, ModuleNotFoundError) and str(cause.name).split(".")[0] in OPTIONAL:
                pytest.skip(f"{cause.name} is not installed (extra 'all')", allow_module_level=True)
            raise


def _skip_where_an_extra_is_missing(outcome: Any) -> None:
    """Turn the error for an extra which is not here into a skip; with all extras installed it stays a failure."""
    if isinstance(outcome.excinfo and outcome.excinfo[1], MissingDependencyError) and not all(find_spec(name) for name in OPTIONAL):
        outcome.force_exception(pytest.skip.Exception(str(outcome.excinfo[1])))


@pytest.hookimpl(hookwrapper=True)
def pytest_pyfunc_call(pyfuncitem: Any) -> Any:
    _skip_where_an_extra_is_missing((yield))  # the old form of a wrapper: lava-dl holds pytest below 8


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_setup(item: Any) -> Any:
    _skip_where_an_extra_is_missing((yield))  # raised by a fixture


def pytest_pycollect_makemodule(module_path: Any, parent: Any) -> pytest.Module:
    return _Module.from_parent(parent, path=module_path)
