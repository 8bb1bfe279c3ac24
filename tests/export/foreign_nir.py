"""Builds NIR files as other tools would write them, and holds what is read of them against the nodes run one by one."""

from __future__ import annotations

from itertools import pairwise

import nir
import numpy as np

from qif_deploy.simulate.float_sim import run_float
from qif_export.nir.importing.conventions import Convention
from qif_export.nir.importing.importer import ImportedFloat, ImportOptions, read_float_nir
from qif_export.nir.importing.walk import InputCoding
from tests.export.nir_oracle import DT, run_nir

OPTIONS = ImportOptions(convention=Convention.NIR, dt=DT, coding=InputCoding(low=-3, high=4))
RNG = np.random.default_rng(7)


def wide(*shape: int, scale: float = 0.5) -> np.ndarray:
    return RNG.normal(0.1, scale, shape)


def spiking(kind: str, *shape: int) -> nir.NIRNode:
    one = np.ones(shape)
    if kind == "IF":
        return nir.IF(r=one / DT, v_threshold=one * 0.8, v_reset=one * -0.1)
    if kind == "LIF":
        return nir.LIF(tau=one * 3 * DT, r=one * 2, v_leak=one * 0.2, v_threshold=one * 0.5, v_reset=one * 0.1)
    return nir.Threshold(threshold=one * 0.4)


def conv(cin: int, cout: int, kernel=(3, 3), *, size=(6, 6), stride=1, padding=1, dilation=1, groups=1) -> nir.Conv2d:
    return nir.Conv2d(
        input_shape=size,
        weight=wide(cout, cin // groups, *kernel),
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=groups,
        bias=wide(cout),
    )


def written(path, nodes: dict, edges: list, *, size=(2, 6, 6), out=(3,)) -> nir.NIRGraph:
    graph = nir.NIRGraph(nodes={"in": nir.Input(np.array(size)), **nodes, "out": nir.Output(np.array(out))}, edges=edges, type_check=False)
    nir.write(path, graph)
    return graph


def chained(path, *parts: nir.NIRNode, size=(2, 6, 6), out=(3,)) -> nir.NIRGraph:
    nodes = {f"n{i}": part for i, part in enumerate(parts)}
    names = ["in", *nodes, "out"]
    return written(path, nodes, list(pairwise(names)), size=size, out=out)


def same(path, graph: nir.NIRGraph, size=(2, 6, 6), *, ours=None) -> ImportedFloat:
    """Read the file and compare spikes of every neuron, and the readout with the sum of what reaches the output."""
    codes = np.random.default_rng(3).integers(-3, 5, (6, 2, *size))
    found = read_float_nir(path, OPTIONS)
    trace = run_float(found.graph, {found.graph.inputs[0]: codes.reshape(6, 2, *(size if ours is None else ours))})
    spikes, out = run_nir(graph, codes)
    assert set(spikes) == set(trace.populations)
    for name, expected in spikes.items():
        assert expected.any()
        assert np.array_equal(trace.populations[name].s.reshape(expected.shape), expected), name
    np.testing.assert_allclose(trace.readout, out.sum(axis=0).reshape(trace.readout.shape), rtol=1e-9, atol=1e-9)
    return found
