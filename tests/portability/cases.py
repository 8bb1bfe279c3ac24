"""The files that every runtime gets: networks of each profile and dtype, with inputs and what the reference makes of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from qif_deploy.fixedpoint import RoundingMode
from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.neuron.params import ResetMode
from qif_deploy.simulate.reference import run_reference
from qif_export.onnx.options import OnnxOptions, Profile
from qif_export.onnx.widths import choose_width
from qif_export.onnx.write import write_onnx
from tests.export.wide_network import wide
from tests.networks import chain, random_inputs, residual

SAMPLES = 8

INT32: Mapping[str, Callable[[], QuantizedGraph]] = {
    **{f"residual_{mode.value}": lambda mode=mode: residual(rounding=mode) for mode in RoundingMode},
    "chain_signed_clamped": lambda: chain(signed_input=True, u_min=-50),
    "chain_subtract": lambda: chain(reset_mode=ResetMode.SUBTRACT),
}
WIDE: Mapping[str, Callable[[], QuantizedGraph]] = {
    f"wide_{mode.value}_{reset.value}": lambda mode=mode, reset=reset: wide(mode, reset) for mode in RoundingMode for reset in ResetMode
}
COLUMNS: Mapping[str, tuple[Profile, str, Mapping[str, Callable[[], QuantizedGraph]]]] = {
    "exact_int32": (Profile.EXACT, "int32", INT32),
    "exact_int64": (Profile.EXACT, "int64", WIDE),
    "float_float32": (Profile.FLOAT, "float32", INT32),
    "float_float64": (Profile.FLOAT, "float64", WIDE),
    "qdq": (Profile.QDQ, "float32", INT32),
}
"""Column -> profile, dtype of its neurons, networks."""


def write_cases(folder: Path) -> None:
    """Write ``COLUMN.CASE.onnx``, the same with its functions inlined, and ``COLUMN.CASE.npz``."""
    for column, (profile, dtype, networks) in COLUMNS.items():
        for case, build in networks.items():
            graph = build()
            width = choose_width(graph, profile)
            assert width.dtype.__name__ == dtype, (column, case, width.reason)
            path = folder / f"{column}.{case}.onnx"
            for inline in (False, True):
                target = path.with_suffix(".inline.onnx") if inline else path
                write_onnx(graph, target, OnnxOptions(profile=profile, inline=inline))
            inputs = random_inputs(graph, samples=SAMPLES, steps=graph.steps)
            trace = run_reference(graph, inputs)
            assert min(trace.spikes().values()) > 0, (column, case)
            kind = np.int32 if profile is Profile.EXACT else np.float32
            given = {f"in/{name}": codes.astype(kind) for name, codes in inputs.items()}
            np.savez(path.with_suffix(".npz"), **given, **{f"out/{name}": array for name, array in trace.computed()})
