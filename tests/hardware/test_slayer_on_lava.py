"""A network that was trained with the SLAYER blocks, through lava-dl's own export, on Lava: it agrees with SLAYER and with ours."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from qif_deploy.ir.graph import QuantizedGraph
from qif_deploy.ir.nodes import CodeInput, Conv2dCodes, ConvGeometry, DenseCodes, Flatten, Population, ReadoutCodes
from qif_deploy.simulate.compare import compare_traces
from qif_deploy.simulate.inputs import prepare_inputs
from qif_deploy.simulate.reference import run_reference
from qif_hardware.lava.run import run_lava
from qif_hardware.lava.slayer.neuron_params import constants_from_device_params
from tests.hardware.lava_marks import NEEDS_LAVA
from tests.hardware.slayer_marks import NEEDS_SLAYER
from tests.hardware.test_slayer_blocks import STEPS, network, random_codes, recorded

pytestmark = [*NEEDS_LAVA, *NEEDS_SLAYER]


def trained(codes: np.ndarray):
    """The blocks after a few steps of Adam, which have to change the deployed weights."""
    import torch

    from qif_hardware.lava.slayer.timing import run_aligned

    blocks = network()
    signal = torch.tensor(np.moveaxis(codes, 0, -1), dtype=torch.float32)
    labels = torch.arange(signal.shape[0]) % 5
    run_aligned(blocks, signal)  # lava-dl learns the shapes in the first pass
    optimiser = torch.optim.Adam([p for block in blocks for p in block.parameters() if p.requires_grad], lr=0.02)
    before = blocks[1].synapse.weight.clone()
    for _ in range(5):
        loss = torch.nn.functional.cross_entropy(run_aligned(blocks, signal).sum(dim=-1), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert not torch.equal(before, blocks[1].synapse.weight)
    return blocks


def read_exported(path: Path) -> QuantizedGraph:
    """The integer network of lava-dl's file alone; the readout counts the last population's spikes."""
    import h5py

    nodes = {}
    with h5py.File(path) as handle:
        layers = handle["layer"]
        for index in range(len(layers)):
            layer = layers[str(index)]
            kind = layer["type"][0].decode()
            if kind == "input":
                nodes["input"] = CodeInput(shape=tuple(int(n) for n in layer["shape"][()]), low=0, high=1, scale=1.0)
                continue
            if kind == "flatten":
                nodes[f"flatten{index}"] = Flatten()
                continue
            constants, shift = constants_from_device_params({key: value[()] for key, value in layer["neuron"].items()})
            weight = layer["weight"][()].astype(np.int32) // 2
            if kind == "dense":
                nodes[f"fc{index}"] = DenseCodes(weight=weight, shift=shift)
            else:
                stride, padding, dilation = (tuple(int(n) for n in layer[name][()][:2]) for name in ("stride", "padding", "dilation"))
                geometry = ConvGeometry(stride=stride, padding=padding, dilation=dilation, groups=int(layer["groups"][()]))
                nodes[f"conv{index}"] = Conv2dCodes(weight=weight, shift=shift, geometry=geometry)
            nodes[f"q{index}"] = Population(constants=constants, delta=np.ones(constants.channels))
    last = constants.channels
    nodes |= {
        "count": DenseCodes(weight=np.eye(last, dtype=np.int32), shift=0),
        "out": ReadoutCodes(bias=np.zeros(last, np.int64), delta=1.0),
    }
    return QuantizedGraph(nodes=nodes, edges=tuple(pairwise(nodes)), number_format=constants.number_format, steps=None)


def test_a_trained_network_through_lava_dls_export_agrees_on_lava(tmp_path):
    h5py = pytest.importorskip("h5py")
    codes = random_codes()
    blocks = trained(codes)
    with h5py.File(tmp_path / "net.h5", "w") as handle:
        layers = handle.create_group("layer")
        for index, block in enumerate(blocks):
            block.export_hdf5(layers.create_group(str(index)))
    out, records = recorded(blocks, codes)
    graph = read_exported(tmp_path / "net.h5")
    inputs = prepare_inputs(graph, {"": codes}, steps=STEPS)
    trace = run_lava(graph, inputs, time_limit_s=60)
    assert compare_traces(run_reference(graph, inputs), trace).first_mismatch is None
    for population, (i, u, s) in zip(trace.populations.values(), records, strict=True):
        assert np.array_equal(population.i, i)
        assert np.array_equal(population.u, u)
        assert np.array_equal(population.s, s)
    assert trace.populations["q1"].s.any()
    assert np.array_equal(trace.readout, out.sum(axis=0))
