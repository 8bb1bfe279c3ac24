"""The ways on which a network is run, each of which has to give the reference's arrays."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from numpy.typing import NDArray

from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.simulate.engine import engine as engine_module
from qif_deploy.simulate.engine.batched import run_batched, run_prepared
from qif_deploy.simulate.engine.engine import Engine
from qif_deploy.simulate.engine.stream import in_batches, run_stream
from qif_deploy.simulate.op_counts import Tallies, tally
from qif_deploy.simulate.reference import run_reference
from qif_deploy.simulate.trace import Trace
from qif_export.nir.read import read_nir
from qif_export.nir.write import write_nir
from qif_export.onnx.options import Form, OnnxOptions, Profile
from qif_export.onnx.run import run_onnx
from qif_export.onnx.verify import products
from qif_export.onnx.write import write_onnx
from qif_hardware.lava.executor_kind import Executor
from qif_hardware.lava.run import run_lava
from qif_hardware.lava.synapse_lowering import Convolution
from tests.graph_strategies import plain
from tests.numerics import network_oracle
from tests.soak.cases import Case
from tests.soak.way import Way

Arrays = Mapping[str, NDArray[Any]]
LAVA_SAMPLES = 4
"""Samples that run on Lava: every frame goes through every process."""

ORACLE_PRODUCTS = 20_000
"""Products of weight and signal that loops over Python integers do in a tenth of a second."""

TIME_LIMIT_S = 120.0


class Changed(Exception):
    """A file that reads back as another network, or that is not written twice alike."""


def wanted(way: Way, case: Case, *, lava_every: int) -> bool:
    """Whether ``way`` takes ``case``: what is slow takes a share."""
    match way:
        case Way.ORACLE:
            return products(case.graph) * case.steps <= ORACLE_PRODUCTS
        case Way.ONNX_STEP:
            return case.number % 3 == 0
        case Way.ONNX_FLOAT:
            return case.number % 3 == 1
        case Way.LAVA:
            return lava_every > 0 and case.number % lava_every == lava_every - 1
        case _:
            return True


def taken(way: Way, case: Case) -> Case:
    """Return the case with the samples that ``way`` runs."""
    match way:
        case Way.ORACLE:
            return case.first(1)
        case Way.LAVA | Way.LAVA_IN_PROCESS:
            return case.first(LAVA_SAMPLES)
        case _:
            return case


def expected(way: Way, case: Case, reference: Trace) -> Arrays:
    """Return what ``way`` has to give."""
    if way is Way.STREAM:
        tallies = tally(case.graph, reference)
        inputs = {name: case.graph.code_input(name) for name in case.graph.inputs}
        graded = {name for name, node in inputs.items() if (node.low, node.high) != (0, 1)}  # codes are no spikes to be counted
        return _counted(reference.readout, replace(tallies, rates={k: v for k, v in tallies.rates.items() if k not in graded}))
    return dict(reference.computed())


def run(way: Way, case: Case) -> Arrays:
    """Run ``case`` and return its arrays.

    Raises:
        QifError: the way refuses the network, or breaks.
        Changed: see there.
    """
    graph, inputs = case.graph, case.inputs
    match way:
        case Way.ORACLE:
            return _oracle(graph, inputs)
        case Way.COMPILED:
            return dict(run_batched(graph, inputs, chunk=(256, 7, 2)[case.number % 3]).computed())
        case Way.TORCH:
            with patch.object(engine_module, "_compiled_here", lambda _device: False):
                engine = Engine(graph, torch.device("cpu"))
            return dict(run_prepared(engine, inputs).computed())
        case Way.STREAM:
            found = run_stream(graph, in_batches(inputs, 1 + case.number % 16), keep_tallies=True)
            assert found.tallies is not None
            return _counted(found.readout, found.tallies)
        case Way.ONNX:
            return _onnx(case, OnnxOptions(inline=case.number % 2 == 1))
        case Way.ONNX_STEP:
            return _onnx(case, OnnxOptions(form=Form.STEP))
        case Way.ONNX_FLOAT:
            return _onnx(case, OnnxOptions(profile=Profile.FLOAT))
        case Way.NIR:
            return _nir(graph, inputs)
        case Way.LAVA_IN_PROCESS:
            from tests.soak.lava_way import run_in_this_process  # here: importing Lava changes the interpreter

            return dict(run_in_this_process(case).computed())
        case Way.LAVA:
            return _lava(case)


def _oracle(graph: QuantizedGraph, inputs: Arrays) -> Arrays:
    populations, readout = network_oracle.run(plain(graph), {name: codes[:, 0].tolist() for name, codes in inputs.items()})
    found: dict[str, NDArray[Any]] = {"readout": np.array([readout])}
    steps = next(iter(inputs.values())).shape[0]
    for name, quantities in populations.items():
        for quantity, rows in quantities.items():
            found[f"{name}/{quantity}"] = np.array(rows).reshape(steps, 1, *graph.shapes[name])
    return found


def _counted(readout: NDArray[Any], tallies: Tallies) -> Arrays:
    rates = {f"{name}/rates": value for name, value in tallies.rates.items()}
    return {"readout": readout, **rates, **{f"{name}/driven": value for name, value in tallies.driven.items()}}


def _onnx(case: Case, options: OnnxOptions) -> Arrays:
    with tempfile.TemporaryDirectory(prefix="soak_") as folder:
        first, second = Path(folder) / "first" / "net.onnx", Path(folder) / "second" / "net.onnx"
        first.parent.mkdir()
        write_onnx(case.graph, first, options)
        if case.number % 16 == 0:
            second.parent.mkdir()
            write_onnx(case.graph, second, options)
            _same_bytes(first, second)
        return dict(run_onnx(first, case.inputs).computed())


def _nir(graph: QuantizedGraph, inputs: Arrays) -> Arrays:
    with tempfile.TemporaryDirectory(prefix="soak_") as folder:
        first, second = Path(folder) / "first.nir", Path(folder) / "second.nir"
        write_nir(graph, first)
        read = read_nir(first)
        if read != graph or read.content_hash != graph.content_hash:
            raise Changed("the file reads back as another network")
        write_nir(read, second)
        _same_bytes(first, second)
        return dict(run_reference(read, inputs).computed())


def _same_bytes(first: Path, second: Path) -> None:
    if first.read_bytes() != second.read_bytes():
        raise Changed(f"{first.suffix} file: written twice, its bytes differ")


def _lava(case: Case) -> Arrays:
    from tests.soak.usage import remember_segments

    convolution = (Convolution.AUTO, Convolution.CONV)[case.number % 2]
    trace = run_lava(
        case.graph,
        case.inputs,
        executor=Executor.PROCESS,
        convolution=convolution,
        time_limit_s=TIME_LIMIT_S,
        progress=lambda _share: remember_segments(),
    )
    return dict(trace.computed())
