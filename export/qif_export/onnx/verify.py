"""The proof of a written file: ONNX's checker and shape inference, then a run of every array against the definition.

Small networks are compared with the int64 reference. Where that would take long, the batched engine stands in, which the conformance
suite holds equal to it; the report says which it was. What is compared is bounded in memory, so a large network is compared on fewer
samples and steps, and the report says how many.
"""

from __future__ import annotations

import importlib.util
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qif_deploy.errors import BackendError, InputError
from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.ir.nodes import Conv2dCodes, DenseCodes
from qif_deploy.shapes import InputCodes
from qif_deploy.simulate.compare import Mismatch
from qif_deploy.simulate.reference import run_reference
from qif_deploy.simulate.trace import Trace
from qif_export.onnx._onnx import onnx
from qif_export.onnx.approximation import measure
from qif_export.onnx.load import first_line, load_model
from qif_export.onnx.metadata import OnnxInterface
from qif_export.onnx.model import READOUT
from qif_export.onnx.options import Profile
from qif_export.onnx.read import interface_of
from qif_export.onnx.run import in_codes, run_session
from qif_export.onnx.session import ArraysOnDisk, OnnxSession

REFERENCE_PRODUCTS = 500_000_000
"""Products that the int64 reference forms in about a second."""

PRODUCTS = 60_000_000_000
RECORDED_BYTES = 64 * 2**20
"""What one probe may cost at most, unless a single sample of two steps costs more."""

SMALL_BYTES = 16 * 2**20
"""Recordings that need no thought; beyond them half of the weights is the measure, so that memory follows from the network."""

KEPT_BYTES = 2**24
"""Arrays of a run that are kept in memory until they are compared."""

RANDOM_STEPS, RANDOM_SAMPLES, REAL_SAMPLES = 4, 4, 32
REFERENCE, ENGINE = "int64 reference", "batched engine"


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """Input codes ``(T, B, ...)`` and where they come from."""

    source: str
    codes: Mapping[str, InputCodes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """One probe that was run: what it was compared with, and how much of it."""

    source: str
    against: str
    samples: int
    steps: int
    arrays: int
    spikes: int
    silent: tuple[str, ...]
    measured: Mapping[str, Any] | None

    def as_json(self) -> dict[str, Any]:
        """Return plain values; ``measured`` only of an approximation."""
        found = asdict(self) | {"silent": list(self.silent)}
        if self.measured is None:
            del found["measured"]
        return found


def verify(graph: QuantizedGraph, written: Path, path: Path, real: Probe | None) -> tuple[Verified, ...]:
    """Check ``written``, which is to become ``path``, on random codes and on ``real`` ones.

    Raises:
        BackendError: it fails the checker, does not load, or computes something else; says where.
    """
    where = f"ONNX file {str(path)!r}"
    _check(written, where)
    probes = [_random_probe(graph), *([] if real is None else [_cut(graph, real)])]
    return tuple(_compared(graph, written, probe, where) for probe in probes)


def _run(graph: QuantizedGraph, written: Path, probe: Probe, folder: Path, where: str) -> tuple[Mapping[str, NDArray[Any]], OnnxInterface]:
    """Run the file in a session that is gone afterwards, and keep large arrays on the disk: what comes next needs memory too.

    The network is not read back: it is at hand, and a large one would be in memory twice.
    """
    try:
        interface = interface_of(load_model(written))
        session = OnnxSession.open(written, interface)
    except InputError as error:
        raise BackendError(f"{where} does not run ({error}); nothing was written, please report this") from error
    if interface.content_hash != graph.content_hash:
        raise BackendError(f"{where} holds another network than it was written from; nothing was written, please report this")
    arrays = run_session(session, probe.codes)
    if sum(values.nbytes for values in arrays.values()) <= KEPT_BYTES:
        return arrays, interface
    return ArraysOnDisk(folder, arrays), interface


def _check(written: Path, where: str) -> None:
    try:
        onnx.checker.check_model(str(written), full_check=True)
        # By path, so that values outside the file are found; strict, so that no operator is passed over.
        onnx.shape_inference.infer_shapes_path(str(written), str(written) + ".shapes", strict_mode=True, check_type=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise BackendError(f"{where} fails the checker ({first_line(error)}); nothing was written, please report this") from error
    finally:
        Path(str(written) + ".shapes").unlink(missing_ok=True)


def _compared(graph: QuantizedGraph, written: Path, probe: Probe, where: str) -> Verified:
    with tempfile.TemporaryDirectory(prefix="qif_deploy_") as folder:
        arrays, interface = _run(graph, written, probe, Path(folder), where)
        against, expected = _expected(graph, interface.recorded, probe.codes)
        approximate = interface.options.profile is Profile.QDQ
        measured = measure(graph, expected, arrays) if approximate else None
        mismatches = [] if approximate else _mismatches(expected, arrays)
    if mismatches:
        # What comes later, or in a later layer, follows from the first.
        first = min(mismatches, key=lambda one: (one.array == READOUT, *one.index[:1]))
        raise BackendError(f"{where}: {_located(first, against)} ({probe.source} input); nothing was written, please report this")
    spikes = expected.spikes()
    return Verified(
        source=probe.source,
        against=against,
        samples=expected.samples,
        steps=expected.steps,
        arrays=3 * len(spikes) + 1,
        spikes=sum(spikes.values()),
        silent=tuple(name for name, count in spikes.items() if not count),
        measured=measured,
    )


def _mismatches(expected: Trace, found: Mapping[str, NDArray[Any]]) -> list[Mismatch]:
    """Return the first mismatch of every array that has one."""
    mismatches = []
    for name, ours in expected.computed():
        theirs = in_codes(found[name], ours.dtype)
        if ours.shape != theirs.shape:
            reason = f"shape {theirs.shape} where {ours.shape} is expected"
            mismatches.append(Mismatch(array=name, index=(), expected=None, found=None, reason=reason))
        elif not np.array_equal(ours, theirs):
            index = tuple(int(n) for n in np.argwhere(ours != theirs)[0])
            values = {"expected": int(ours[index]), "found": int(theirs[index])}
            mismatches.append(Mismatch(array=name, index=index, reason="values differ", **values))
    return mismatches


def _located(mismatch: Mismatch, against: str) -> str:
    """Say in which array, at which step, sample and neuron something differs."""
    if not mismatch.index:
        return f"array {mismatch.array!r}: {mismatch.reason}"
    values = f"is {mismatch.found}, the {against} has {mismatch.expected}"
    if mismatch.array == READOUT:
        return f"readout, sample {mismatch.index[0]}, class {mismatch.index[1]}: it {values}"
    population, _, quantity = mismatch.array.rpartition("/")
    step, sample, *neuron = mismatch.index
    return f"population {population!r}, step {step}, sample {sample}, neuron {tuple(neuron)}: {quantity} {values}"


def _expected(graph: QuantizedGraph, recorded: tuple[str, ...], codes: Mapping[str, InputCodes]) -> tuple[str, Trace]:
    """Return what says what is right, and what the recorded populations should be."""
    steps, samples = next(iter(codes.values())).shape[:2]
    if products(graph) * steps * samples <= REFERENCE_PRODUCTS or importlib.util.find_spec("torch") is None:
        against, trace = REFERENCE, run_reference(graph, codes)
    else:
        from qif_deploy.simulate.engine.batched import run_batched

        against, trace = ENGINE, run_batched(graph, codes)
    return against, Trace(inputs=codes, populations={p: trace.populations[p] for p in recorded}, readout=trace.readout)


def products(graph: QuantizedGraph) -> int:
    """Return the products that one step of one sample forms in all synapses."""
    total = 0
    for name, node in graph.nodes.items():
        if isinstance(node, DenseCodes | Conv2dCodes):
            total += node.weight.size * prod(graph.shapes[name][1:])
    return total


def _random_probe(graph: QuantizedGraph) -> Probe:
    """The lowest and the highest code throughout, and random codes; a single sample is random."""
    rng = np.random.default_rng(0)
    wanted = RANDOM_STEPS if graph.steps is None else min(graph.steps, RANDOM_STEPS)
    steps, samples = _affordable(graph, wanted, RANDOM_SAMPLES)
    found = {}
    for name in graph.inputs:
        node = graph.code_input(name)
        codes = rng.integers(node.low, node.high + 1, (steps, samples, *node.shape), dtype=np.int64)
        if samples >= 3:
            codes[:, 0], codes[:, 1] = node.low, node.high
        found[name] = codes
    return Probe(source="random", codes=found)


def _cut(graph: QuantizedGraph, real: Probe) -> Probe:
    steps, samples = next(iter(real.codes.values())).shape[:2]
    steps, samples = _affordable(graph, steps, min(samples, REAL_SAMPLES))
    return Probe(source=real.source, codes={name: codes[:steps, :samples] for name, codes in real.codes.items()})


def _affordable(graph: QuantizedGraph, steps: int, samples: int) -> tuple[int, int]:
    """Return how many steps and samples fit into what a probe may cost; at least one sample, of two steps if there are two."""
    neurons = sum(prod(graph.shapes[p]) for p in graph.populations)
    weights = sum(node.weight.nbytes for node in graph.nodes.values() if isinstance(node, DenseCodes | Conv2dCodes))
    recorded = min(RECORDED_BYTES, max(SMALL_BYTES, weights // 2))
    most = min(recorded // max(1, 9 * neurons), PRODUCTS // max(1, products(graph)))
    if most < steps:
        return max(most, min(steps, 2)), 1
    return steps, max(1, min(samples, most // steps))


__all__ = ["Probe", "Verified", "products", "verify"]
