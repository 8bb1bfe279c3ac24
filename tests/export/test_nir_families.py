"""Every model family through NIR, narrow: float graph and integer network come back the same, and run the same."""

from __future__ import annotations

import numpy as np
import pytest

from qif_deploy.neuron.params import QIFParams
from qif_deploy.passes.fold_batchnorm import fold_batchnorm
from qif_deploy.passes.quantize import quantize_graph
from qif_deploy.simulate.reference import run_reference
from qif_deploy.training.models.registry import model_spec
from qif_deploy.training.network import SpikingNetwork
from qif_deploy.training.spec import InputSpec
from qif_deploy.training.to_graph import to_graph
from qif_export.nir.float_facts import float_sha256
from qif_export.nir.float_write import write_float_nir
from qif_export.nir.importing.importer import read_float_nir
from qif_export.nir.read import read_nir
from qif_export.nir.write import write_nir
from tests.core.trained import HALF_DEVIATION
from tests.networks import LOIHI2, random_inputs

torch = pytest.importorskip("torch", reason="torch is not installed (extra 'train')")
FAMILIES = {
    "mlp": ((1, 8, 8), {"channels": (16, 12)}),
    "conv": ((1, 8, 8), {"channels": (4, 6), "hidden": 8}),
    "vggsnn": ((2, 16, 16), {"width": 1 / 32}),
    "resnet19": ((3, 16, 16), {"width": 1 / 32}),
    "resnet34": ((3, 32, 32), {"width": 1 / 16}),
}


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow) if n == "resnet34" else n for n in FAMILIES])
def test_round_trip(name, tmp_path):
    shape, options = FAMILIES[name]
    torch.manual_seed(0)
    spec = model_spec(name, InputSpec(shape=shape, low=0, high=16, scale=1 / 16, classes=10), steps=3, **options)
    network = SpikingNetwork(
        spec, params=QIFParams.from_fixed_points(a=0.25, u_rest=0.0, u_crit=0.5), alpha=1.0, surrogate=HALF_DEVIATION
    ).train()
    with torch.no_grad():
        for _ in range(12 if name == "vggsnn" else 3):
            network(torch.randint(0, 17, (8, *shape)))
    graph, _ = fold_batchnorm(to_graph(network.eval()))
    write_float_nir(graph, tmp_path / "graph.nir")
    again = read_float_nir(tmp_path / "graph.nir").graph
    assert float_sha256(again) == float_sha256(graph)
    codes, _ = quantize_graph(again, LOIHI2, steps=3)
    write_nir(codes, tmp_path / "net.nir")
    found = read_nir(tmp_path / "net.nir")
    assert found == codes
    assert found.content_hash == codes.content_hash
    inputs = random_inputs(codes, samples=2, steps=3)
    expected, run = run_reference(codes, inputs), run_reference(found, inputs)
    pairs = list(zip(expected.computed(), run.computed(), strict=True))
    assert all(a[0] == b[0] and np.array_equal(a[1], b[1]) for a, b in pairs)
    assert sum(expected.spikes().values()) > 0
