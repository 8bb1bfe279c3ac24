"""Lava on Python 3.11 to 3.13 and numpy 2: patches for the archived lava-nc 0.10, off unless asked for.

Unsupported by Lava's makers, who stop at Python 3.10 and numpy 1. ``QIF_DEPLOY_LAVA_COMPAT=1`` in the environment asks for it; lava-nc
has to be installed past its own limits (``INSTALL_LINE``). The patches hold for the worker's interpreter alone.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib
import multiprocessing
import os
from pathlib import Path
from typing import Any

import numpy as np

SWITCH = "QIF_DEPLOY_LAVA_COMPAT"
NEWEST_PYTHON = (3, 13)
INSTALL_LINE = "pip install --no-deps --ignore-requires-python lava-nc==0.10.0 && pip install networkx scipy asteval scikit-learn"

GEOMETRY = ("kernel_size", "stride", "padding", "dilation", "groups")


def compat_wanted() -> bool:
    """Whether the environment asks for the patches."""
    return os.environ.get(SWITCH) == "1"


def patch_lava() -> None:
    """Import Lava so that newer Pythons and numpy can; before any other import of it. Changes nothing where nothing is wrong."""
    _keep_socket_paths_short()
    _import_var_model()
    _reshape_by_position()
    _widen_conv_geometry()


def _keep_socket_paths_short() -> None:
    """Python 3.12 makes every temporary folder's path absolute, and that of a socket in a deep one too long for the kernel."""
    folder = Path("sockets")  # in the worker's folder, with which it is removed
    folder.mkdir(exist_ok=True)
    process: Any = multiprocessing.current_process()
    process._config["tempdir"] = str(folder)


def _import_var_model() -> None:
    """Python 3.11 refuses default values that cannot be hashed, as Lava's ``ByteEncoder()`` in ``magma/compiler/var_model.py``."""
    original = dataclasses.dataclass
    dataclasses.dataclass = functools.partial(original, unsafe_hash=True)
    try:
        importlib.import_module("lava.magma.compiler.var_model")
    finally:
        dataclasses.dataclass = original


def _reshape_by_position() -> None:
    """``newshape``, by which ``ReshapePort`` names the argument of ``numpy.reshape``, is gone from numpy 2.4 on."""
    ports: Any = importlib.import_module("lava.magma.core.process.ports.ports")
    ports.ReshapePort.get_transform_func_fwd = lambda port: functools.partial(_reshaped, shape=port.shape)
    ports.ReshapePort.get_transform_func_bwd = lambda port: functools.partial(_reshaped, shape=port.old_shape)


def _reshaped(data: Any, shape: tuple[int, ...]) -> Any:
    return np.reshape(data, shape)


def _widen_conv_geometry() -> None:
    """Under numpy 2 int8 stays int8 beside a Python integer, and Conv overflows on maps of 128 pixels and more."""
    models: Any = importlib.import_module("lava.proc.conv.models")
    types: Any = importlib.import_module("lava.magma.core.model.py.type")
    for name in GEOMETRY:
        setattr(models.AbstractPyConvModel, name, types.LavaPyType(np.ndarray, np.int32, precision=8))
