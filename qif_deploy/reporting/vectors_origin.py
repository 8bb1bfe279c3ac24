"""Whether stored vectors are a run of a network: their shapes, and one sample computed again by the reference."""

from __future__ import annotations

from pathlib import Path

from qif_deploy.errors import InputError
from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.simulate.compare import compare_traces
from qif_deploy.simulate.inputs import prepare_inputs
from qif_deploy.simulate.reference import run_reference
from qif_deploy.simulate.trace import PopulationTrace, Trace


def require_run_of(network: QuantizedGraph, trace: Trace, path: Path) -> None:
    """Check vectors against the network.

    Args:
        network: what they should be a run of.
        trace: the vectors.
        path: their file, for messages.

    Raises:
        InputError: other inputs, populations or shapes, or a first sample that the reference computes otherwise.
    """
    reason = _other_shapes(network, trace)
    if reason is None:
        first = _first_sample(trace)
        try:
            reference = run_reference(network, prepare_inputs(network, first.inputs, steps=None))
        except InputError as error:
            reason = str(error)
        else:
            mismatch = compare_traces(reference, first).first_mismatch
            if mismatch is not None:
                at = f"{mismatch.array} at {mismatch.index}"
                reason = f"its first sample has {mismatch.found} in {at}, the reference computes {mismatch.expected}"
    if reason is not None:
        raise InputError(f"vectors {str(path)!r} are no run of this network: {reason}; write them again with `qif-deploy run`")


def _other_shapes(network: QuantizedGraph, trace: Trace) -> str | None:
    """Say what keeps a sample from being taken out and run."""
    if set(trace.inputs) != set(network.inputs):
        return f"inputs {sorted(trace.inputs)} instead of {sorted(network.inputs)}"
    if set(trace.populations) != set(network.populations):
        return f"populations {sorted(trace.populations)} instead of {sorted(network.populations)}"
    if trace.readout.ndim != 2 or trace.readout.shape[1:] != network.shapes[network.readout] or not trace.samples:
        return f"a readout of shape {trace.readout.shape}"
    if any(codes.ndim < 2 for codes in trace.inputs.values()):
        return "an input without time and sample"
    frame = (trace.steps, trace.samples)
    for name, codes in trace.inputs.items():
        if codes.shape != (*frame, *network.shapes[name]):
            return f"input {name!r} of shape {codes.shape}"
    for name, population in trace.populations.items():
        for array in (population.i, population.u, population.s):
            if array.shape != (*frame, *network.shapes[name]):
                return f"population {name!r} of shape {array.shape}"
    return None


def _first_sample(trace: Trace) -> Trace:
    return Trace(
        inputs={name: codes[:, :1] for name, codes in trace.inputs.items()},
        populations={name: PopulationTrace(i=p.i[:, :1], u=p.u[:, :1], s=p.s[:, :1]) for name, p in trace.populations.items()},
        readout=trace.readout[:1],
    )
