"""Networks of five other frameworks: their exporters' files, read here, spike as they do in the framework itself."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec

import h5py
import numpy as np
import pytest

from qif_deploy.api.convert import convert
from qif_deploy.api.loading import ForeignModel
from qif_deploy.api.quantize import quantize
from qif_deploy.api.verify import verify
from qif_deploy.errors import InputError, UnsupportedError
from qif_deploy.ir.graph import Graph
from qif_deploy.ir.nodes import QIF
from qif_deploy.neuron.params import QIFParams, ResetMode
from qif_deploy.passes.quantize import quantize_graph
from qif_deploy.simulate.float_sim import run_float
from qif_deploy.simulate.reference import run_reference
from qif_export.nir.importing.conventions import Convention
from qif_export.nir.importing.importer import ImportedFloat, ImportOptions, read_float_nir
from qif_export.nir.importing.walk import Ends
from tests.export.peers.stored import FOLDER, codes, spikes, unpacked
from tests.networks import LOIHI2

ZERO = ImportOptions(reset=ResetMode.HARD)
UNSCALED = ImportOptions(unit_gain=True)
LEAK_DROPPED = ImportOptions(ends=Ends(drop_leak=True))

# case -> what its file does not say
AGREE = {
    "snntorch-subtract": ImportOptions(),
    "snntorch-zero": ZERO,
    "snntorch-if": ImportOptions(),
    "snntorch-conv": ImportOptions(),
    "norse-lif": ImportOptions(),
    "norse-if": ImportOptions(),
    "norse-linear": ImportOptions(),
    "norse-li": LEAK_DROPPED,
    "rockpool-lif": ImportOptions(),
    "rockpool-affine": ImportOptions(),
    "sinabs-if": ImportOptions(),
    "sinabs-lif": ImportOptions(),
    "sinabs-unscaled": UNSCALED,
    "sinabs-conv": ImportOptions(),
    "spikingjelly-if": ImportOptions(),
    "spikingjelly-lif": ImportOptions(),
    "spikingjelly-input": ImportOptions(),
    "spikingjelly-residual": ImportOptions(),
    "spikingjelly-conv": ImportOptions(),
}


def read(name: str, folder, options: ImportOptions | None = None) -> ImportedFloat:
    return read_float_nir(unpacked(name, folder), options)


def float_spikes(graph: Graph, name: str, dtype=np.float64) -> list[np.ndarray]:
    trace = run_float(graph, {graph.inputs[0]: codes(name)}, dtype=dtype)
    return [population.s for population in trace.populations.values()]


def differ(graph: Graph, name: str) -> bool:
    return any(not np.array_equal(mine, theirs) for mine, theirs in zip(float_spikes(graph, name), spikes(name), strict=True))


@pytest.mark.parametrize("name", AGREE)
def test_spike_for_spike(name, tmp_path):
    """In float64, in float32, and as integers: the weights lie on the grid of 8-bit codes."""
    found = read(name, tmp_path, AGREE[name])
    network, _ = quantize_graph(found.graph, LOIHI2, steps=16)
    integer = run_reference(network, {network.inputs[0]: codes(name)})
    runs = [float_spikes(found.graph, name), float_spikes(found.graph, name, np.float32), [p.s for p in integer.populations.values()]]
    expected = spikes(name)[: len(found.graph.populations)]
    assert all(layer.any() and not layer.all() for layer in expected)
    for run in runs:
        assert len(run) == len(expected)
        for mine, theirs in zip(run, expected, strict=True):
            assert np.array_equal(mine, theirs)


@pytest.mark.parametrize("name", [name for name in AGREE if AGREE[name] is not ZERO])
def test_the_writer_is_recognised(name, tmp_path):
    found = read(name, tmp_path, AGREE[name])
    assert found.convention is not None
    assert found.convention.startswith(name.split("-")[0])
    assert "recognised" in found.convention


@pytest.mark.parametrize("name", ["snntorch-subtract", "norse-lif", "rockpool-lif", "sinabs-if", "spikingjelly-residual"])
def test_converted_quantised_and_the_same_on_every_backend(name, tmp_path):
    converted = convert(unpacked(name, tmp_path), steps=16)
    again = read_float_nir(converted.path)
    assert again.facts.steps == 16
    assert not differ(again.graph, name)
    quantized = quantize(converted.path, target="loihi2")
    given = codes(name)
    np.save(tmp_path / "codes.npy", np.concatenate([np.roll(given, n, axis=-1) for n in range(9)], axis=1))  # 36 samples
    outcome = verify(quantized.path, input=tmp_path / "codes.npy", samples=None, backends=("batched", "onnx", "nir"))
    assert {backend: check.exact for backend, check in outcome.backends.items()} == {"batched": True, "onnx": True, "nir": True}


# ---------------------------------------------------------------- what the semantics do not allow, shown to matter


@pytest.mark.parametrize(("name", "equal"), [("snntorch-if", True), ("norse-if", True), ("sinabs-if", False), ("spikingjelly-if", False)])
def test_the_comparison_matters(name, equal, tmp_path):
    """All values lie on a grid, so the threshold is met exactly: strict and not strict are two networks."""
    assert differ(read(name, tmp_path, ImportOptions(spike_on_equal=equal)).graph, name)


@pytest.mark.parametrize(
    ("name", "reset"), [("snntorch-zero", ResetMode.SUBTRACT), ("norse-if", ResetMode.SUBTRACT), ("sinabs-if", ResetMode.HARD)]
)
def test_the_reset_matters(name, reset, tmp_path):
    assert differ(read(name, tmp_path, ImportOptions(reset=reset)).graph, name)


def test_subtraction_after_the_decay_matters(tmp_path):
    """Taking theta off at the spike, before the decay, is another network; theta / decay there is the same one."""
    graph = read("snntorch-subtract", tmp_path).graph

    def at_once(node):
        if not isinstance(node, QIF):
            return node
        p = node.params
        assert p.reset_by == pytest.approx(p.theta / p.c1)
        return replace(node, params=replace(p, reset_by=p.theta))

    early = Graph(nodes={name: at_once(node) for name, node in graph.nodes.items()}, edges=graph.edges)
    assert differ(early, "snntorch-subtract")


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("sinabs-unscaled", ImportOptions()),
        ("sinabs-lif", UNSCALED),
        ("norse-lif", ImportOptions(convention=Convention.NIR, dt=2e-6)),
        ("spikingjelly-lif", UNSCALED),
        ("rockpool-lif", ImportOptions(convention=Convention.NIR, dt=1e-3)),
        ("norse-if", ImportOptions(convention=Convention.NIR)),
    ],
)
def test_the_gain_matters(name, options, tmp_path):
    assert differ(read(name, tmp_path, options).graph, name)


def test_the_integration_matters(tmp_path):
    """Rockpool and Sinabs decay exponentially: the Euler step of the same time constant is another network."""
    as_euler = ImportOptions(convention=Convention.NIR, dt=1e-3, reset=ResetMode.SUBTRACT, spike_on_equal=True, unit_gain=True)
    assert differ(read("rockpool-lif", tmp_path, as_euler).graph, "rockpool-lif")


@pytest.mark.parametrize("name", ["sinabs-multi", "rockpool-multi"])
def test_several_spikes_in_one_step_are_lost_and_said_so(name, tmp_path):
    found = read(name, tmp_path)
    assert max(layer.max() for layer in spikes(name)) > 1
    assert "one spike per step" in str(found.convention)
    assert differ(found.graph, name)


def test_rockpools_exporter_drops_the_bias_of_neurons_and_it_is_said(tmp_path):
    found = read("rockpool-bias", tmp_path)
    assert "no bias" in str(found.convention)
    assert differ(found.graph, "rockpool-bias")
    fixed = {
        name: replace(node, params=replace(node.params, c0=node.params.c0 + 0.25)) if isinstance(node, QIF) else node
        for name, node in found.graph.nodes.items()
    }
    assert not differ(Graph(nodes=fixed, edges=found.graph.edges), "rockpool-bias")


def test_a_leaking_end_is_refused_unless_the_leak_may_go(tmp_path):
    with pytest.raises(UnsupportedError, match="leaky integrator"):
        read("norse-li", tmp_path)
    found = read("norse-li", tmp_path, LEAK_DROPPED)
    assert any("its leak (0.75 kept per step) is dropped" in note for note in found.notes)
    theirs = spikes("norse-li")[-1]
    mine = run_float(found.graph, {found.graph.inputs[0]: codes("norse-li")}).readout
    assert not np.allclose(mine, theirs[-1])  # neither its last state
    assert not np.allclose(mine, theirs.sum(axis=0))  # nor their sum


def test_a_linear_end_is_the_sum_of_its_currents(tmp_path):
    found = read("norse-linear", tmp_path)
    mine = run_float(found.graph, {found.graph.inputs[0]: codes("norse-linear")}).readout
    np.testing.assert_allclose(mine, spikes("norse-linear")[-1].sum(axis=0), rtol=1e-6)  # theirs is float32


@pytest.mark.parametrize("name", ["snntorch-synaptic", "norse-synaptic", "rockpool-synaptic"])
def test_a_second_state_is_refused_and_would_be_another_network(name, tmp_path):
    path = unpacked(name, tmp_path)
    with h5py.File(path, "r") as file:
        second = [n for n, node in file["node/nodes"].items() if node["type"][()] == b"CubaLIF"]
    with pytest.raises(UnsupportedError) as caught:
        read_float_nir(path)
    assert len(caught.value.findings) == len(second) >= 1
    assert all(f"node {n!r} (CubaLIF)" in str(caught.value) for n in second)
    with h5py.File(path, "a") as file:  # the same without its synapse
        for n in second:
            node = file["node/nodes"][n]
            del node["type"]
            node["type"] = "LIF"
            node["tau"] = node["tau_mem"][()]
            if name.startswith("norse"):
                node["v_threshold"][...] = 0.5
    plain = read_float_nir(path, ImportOptions(convention=Convention(name.split("-")[0])))
    assert differ(plain.graph, name)


def test_a_recurrent_network_is_refused_with_its_cycle(tmp_path):
    with pytest.raises(UnsupportedError, match=r"cycle .*w_rec.*recurrent connections are not supported"):
        read("snntorch-recurrent", tmp_path)


# ---------------------------------------------------------------- choosing


def test_a_choice_that_the_file_leaves_open_is_asked_for(tmp_path):
    """IF with r = 1 as several tools write it: nothing in the file tells > from >=, or reset from subtraction."""
    path = unpacked("norse-if", tmp_path)
    with h5py.File(path, "a") as file:
        del file["node/nodes/input/shape"]
        file["node/nodes/input/shape"] = [12]
    with pytest.raises(InputError, match=r"none of the known tools.*--convention` \(nir, snntorch, norse"):
        read_float_nir(path)
    assert not differ(read_float_nir(path, ImportOptions(convention=Convention.NORSE)).graph, "norse-if")


def test_words_of_the_command_line_are_checked():
    with pytest.raises(InputError, match=r"reset 'soft' is unknown; .*; readout 'mean' is unknown"):
        ForeignModel(reset="soft", readout="mean")


@pytest.mark.parametrize("convention", ["norse", "nir"])
def test_a_decay_outside_0_to_1_is_another_convention(convention, tmp_path):
    with pytest.raises(InputError, match=r"decay .* is outside 0\.\.1 in convention"):
        read("rockpool-lif", tmp_path, ImportOptions(convention=Convention(convention), dt=1.0))


def test_subtracting_after_a_full_decay_is_refused(tmp_path):
    path = unpacked("snntorch-subtract", tmp_path)
    with h5py.File(path, "a") as file:
        for n in ("1", "3"):
            file[f"node/nodes/{n}/tau"][...] = 1e-4
            file[f"node/nodes/{n}/r"][...] = 1.0
    with pytest.raises(UnsupportedError, match="keeps nothing of its state") as caught:
        read_float_nir(path)
    assert len(caught.value.findings) == 2
    assert isinstance(read_float_nir(path, ZERO).graph.nodes["1"].params, QIFParams)


# ---------------------------------------------------------------- the exporters themselves


@pytest.mark.parametrize("framework", ["snntorch", "norse", "rockpool", "sinabs", "spikingjelly"])
def test_the_framework_still_writes_what_is_stored(framework, tmp_path):
    if find_spec(framework) is None:
        pytest.skip(f"{framework} is not installed (group 'frameworks'; .ci/peers makes its files anew)")
    from tests.export.fresh_python import run_fresh

    script = (
        "import sys, warnings; warnings.simplefilter('ignore'); from pathlib import Path\n"
        "from tests.export.peers.make_files import main; main(sys.argv[1], Path(sys.argv[2]))"
    )
    assert run_fresh(script, framework, str(tmp_path))
    made = sorted(path.name for path in tmp_path.glob("*.npz"))
    assert made == sorted(path.name for path in FOLDER.glob(f"{framework}-*.npz"))
    for name in made:
        with np.load(tmp_path / name) as new, np.load(FOLDER / name) as old:
            assert sorted(new) == sorted(old)
            for key in new:
                np.testing.assert_allclose(new[key], old[key], rtol=1e-5, atol=1e-6)  # float32 outputs of another build
        stem = name.removesuffix(".npz")
        assert _content(tmp_path / f"{stem}.nir.gz", tmp_path) == _content(FOLDER / f"{stem}.nir.gz", tmp_path)


def _content(packed, folder) -> dict:
    import gzip

    path = folder / "content.nir"
    path.write_bytes(gzip.decompress(packed.read_bytes()))
    found = {}
    with h5py.File(path, "r") as file:
        file["node"].visititems(
            lambda key, item: found.update({key: np.asarray(item[()]).tolist()} if isinstance(item, h5py.Dataset) else {})
        )
    found["edges"] = sorted(map(tuple, found["edges"]))
    return found
