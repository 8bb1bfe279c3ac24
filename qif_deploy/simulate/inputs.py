"""Input codes for an integer network: checked, held for T steps where asked, floats encoded where asked."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from qif_deploy.errors import InputError, raise_findings
from qif_deploy.fixedpoint import rint_codes
from qif_deploy.ir.nodes import CodeInput
from qif_deploy.shapes import InputCodes


class DeclaresInputs(Protocol):
    """What inputs are checked against: an integer network, or an exported file that declares the same."""

    @property
    def inputs(self) -> Collection[str]:
        """Names of the inputs."""

    @property
    def steps(self) -> int | None:
        """Steps that the range proof covers, None for any."""

    def code_input(self, name: str) -> CodeInput:
        """Return the declaration of one input."""


def prepare_inputs(graph: DeclaresInputs, arrays: Mapping[str, NDArray[np.generic]], *, steps: int | None) -> dict[str, InputCodes]:
    """Return int64 codes ``(time, batch, ...)`` for every input of ``graph``.

    Args:
        graph: the network; it declares shape and code range of each input, and the steps that its proof covers.
        arrays: name -> integer codes, or spikes as booleans, ``(time, batch, ...)``, or ``(batch, ...)`` to be held. One unnamed array
            (key "") serves a network with one input.
        steps: T for held inputs; None takes the T that the proof covers.

    Raises:
        InputError: fewer than one step, wrong name, dtype, shape or code, or more steps than the proof covers.
    """
    if steps is not None and steps < 1:
        raise InputError(f"a run of {steps} time steps is empty; give at least 1")
    if set(arrays) == {""} and len(graph.inputs) == 1:
        arrays = {next(iter(graph.inputs)): arrays[""]}
    if set(arrays) != set(graph.inputs):
        raise InputError(f"inputs {sorted(arrays)} given, the network has {sorted(graph.inputs)}; name the arrays of the .npz so")
    prepared = {name: _prepare(graph, name, np.asarray(arrays[name]), steps) for name in graph.inputs}
    extents = {name: codes.shape[:2] for name, codes in prepared.items()}
    if len(set(extents.values())) > 1:
        raise InputError(f"inputs differ in (time, batch): {extents}; give all the same")
    time, batch = next(iter(extents.values()))
    if batch == 0:
        raise InputError("the input holds no sample; give at least one")
    require_steps(graph, time)
    return prepared


def require_codes(graph: DeclaresInputs, inputs: Mapping[str, NDArray[np.generic]]) -> None:
    """Raise InputError unless ``inputs`` are what ``prepare_inputs`` returns: every input, ``(time, batch, ...)``, in its range."""
    if set(inputs) != set(graph.inputs):
        raise InputError(f"inputs {sorted(inputs)} given, the network has {sorted(graph.inputs)}; prepare them with prepare_inputs")
    for name, codes in inputs.items():
        wanted = graph.code_input(name).shape
        if np.ndim(codes) != len(wanted) + 2:
            raise InputError(f"input {name!r}: shape {np.shape(codes)} is not (time, batch, {', '.join(map(str, wanted))})")
    prepare_inputs(graph, inputs, steps=None)


def require_steps(graph: DeclaresInputs, steps: int) -> None:
    """Raise InputError when a run of ``steps`` is empty or not covered by the range proof."""
    if steps < 1:
        raise InputError(f"a run of {steps} time steps is empty; give at least 1")
    if graph.steps is not None and steps > graph.steps:
        raise InputError(
            f"a run of {steps} time steps exceeds the {graph.steps} that the range proof covers; "
            f"quantise again by `qif-deploy quantize --steps {steps}`"
        )


def _prepare(graph: DeclaresInputs, name: str, codes: NDArray[np.generic], steps: int | None) -> InputCodes:
    node = graph.code_input(name)
    if codes.dtype == np.bool_:  # spikes
        codes = codes.astype(np.uint8)
    if not np.issubdtype(codes.dtype, np.integer):
        floats = f", rint(x / {node.scale:g}) of floats x, which `qif-deploy run --encode` takes as they are"
        remedy = floats if np.issubdtype(codes.dtype, np.floating) else ""
        raise InputError(f"input {name!r}: dtype {codes.dtype} is not integer; give codes {node.low}..{node.high}{remedy}")
    if codes.ndim == len(node.shape) + 1 and codes.shape[1:] == node.shape:
        hold = graph.steps if steps is None else steps
        if hold is None:
            raise InputError(
                f"input {name!r}: one frame per sample was given and the network fixes no number of steps; "
                "give a frame for every step, or hold it by `qif-deploy run --steps T`"
            )
        codes = np.broadcast_to(codes, (hold, *codes.shape))  # a view: backends see that all frames are one
    if codes.ndim != len(node.shape) + 2 or codes.shape[2:] != node.shape:
        wanted = ", ".join(map(str, node.shape))
        raise InputError(f"input {name!r}: shape {codes.shape} does not fit; give (time, batch, {wanted}), or (batch, {wanted}) to hold")
    if steps is not None and codes.shape[0] != steps:
        raise InputError(
            f"input {name!r}: it holds {codes.shape[0]} time steps, {steps} were asked for; give one frame per sample to hold it"
        )
    findings = []
    if codes.size and (codes.min() < node.low or codes.max() > node.high):
        worst = codes.min() if codes.min() < node.low else codes.max()
        findings.append(f"input {name!r}: code {worst} is outside {node.low}..{node.high}; the range proof covers only that range")
    raise_findings(InputError, findings)
    held = codes.strides[0] == 0
    prepared: InputCodes = np.broadcast_to(codes[:1].astype(np.int64), codes.shape) if held else codes.astype(np.int64)
    return prepared


def encode(graph: DeclaresInputs, arrays: Mapping[str, NDArray[np.generic]]) -> dict[str, NDArray[np.int64]]:
    """Turn float inputs into codes, ``rint(x / scale)``; a value outside the code range is an error, never clipped.

    Raises:
        InputError: unknown name, a dtype other than floats, or a value that is not finite.
    """
    if set(arrays) == {""} and len(graph.inputs) == 1:
        arrays = {next(iter(graph.inputs)): arrays[""]}
    unknown = sorted(set(arrays) - set(graph.inputs))
    if unknown:
        raise InputError(f"inputs {unknown} are not of the network, which has {sorted(graph.inputs)}; name the arrays of the .npz so")
    findings = [
        f"input {name!r}: dtype {np.asarray(values).dtype} is not real floats; leave out --encode for codes"
        for name, values in arrays.items()
        if not np.issubdtype(np.asarray(values).dtype, np.floating)
    ]
    raise_findings(InputError, findings)
    if not all(np.isfinite(values).all() for values in arrays.values()):
        raise InputError("the input holds a value that is not finite; replace NaN and infinity before encoding")
    return {name: rint_codes(np.asarray(values, np.float64), graph.code_input(name).scale) for name, values in arrays.items()}
