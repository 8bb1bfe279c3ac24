"""nirtorch both ways: a float network runs as a torch module, and a torch module with QIF cells becomes a float network."""

from __future__ import annotations

from importlib.util import find_spec
from io import BytesIO

import nir
import numpy as np
import pytest

from qif_deploy.errors import InputError, UnsupportedError
from qif_deploy.ir.graph import Graph
from qif_deploy.ir.nodes import QIF, AvgPool2d, Conv2d, ConvGeometry, Dense, Flatten, Input, Readout, Reduce, SumPool2d
from qif_deploy.neuron.params import QIFParams, ResetMode
from qif_deploy.simulate.float_sim import run_float
from qif_export.nir import nodes as own
from qif_export.nir.float_facts import float_sha256
from qif_export.nir.float_write import float_to_nir, write_float_nir
from qif_export.nir.importing.importer import read_float_nir
from qif_export.nir.registration import register_qif, unregister_qif
from qif_export.nir.write import write_nir
from tests.export.float_graphs import float_inputs
from tests.networks import residual

torch = pytest.importorskip("torch", reason="torch is not installed (extra 'nirtorch')")
needs_nirtorch = pytest.mark.skipif(find_spec("nirtorch") is None, reason="nirtorch is not installed (extra 'nirtorch')")
RNG = np.random.default_rng(11)


def network(**params) -> Graph:
    """Grouped, dilated, non-square convolutions, both pools, a residual join, per-channel parameters."""
    w = lambda *shape: RNG.normal(0.15, 0.5, shape)  # noqa: E731
    p = {"c2": 0.25, "c1": 0.5, "c0": RNG.uniform(0, 0.1, 4), "u_min": -2.0} | params
    nodes = {
        "image-1": Input(shape=(2, 8, 7), low=-2, high=5, scale=0.25),
        "a.conv": Conv2d(weight=w(4, 1, 3, 2), bias=w(4), geometry=ConvGeometry(padding=(1, 1), dilation=(1, 2), groups=2)),
        "a": QIF(params=QIFParams.of(**p)),
        "pool": AvgPool2d(kernel=(2, 2), stride=(2, 1)),
        "main": Conv2d(weight=w(4, 4, 3, 3), geometry=ConvGeometry(padding=(1, 1))),
        "skip": Conv2d(weight=np.ones((4, 1, 1, 1)), geometry=ConvGeometry(groups=4)),
        "b": QIF(params=QIFParams.lif(decay=0.5, reset=ResetMode.SUBTRACT)),
        "sum": SumPool2d(kernel=(2, 2), stride=(2, 2)),
        "flat": Flatten(),
        "fc": Dense(weight=w(3, 4 * 2 * 3), bias=w(3)),
        "y": Readout(),
    }
    edges = [
        ("image-1", "a.conv"), ("a.conv", "a"), ("a", "pool"), ("pool", "main"), ("pool", "skip"), ("main", "b"), ("skip", "b"),
        ("b", "sum"), ("sum", "flat"), ("flat", "fc"), ("fc", "y"),
    ]  # fmt: skip
    return Graph(nodes=nodes, edges=tuple(edges))


@needs_nirtorch
@pytest.mark.parametrize("reset", ResetMode)
@pytest.mark.parametrize("reduce", Reduce)
def test_as_a_torch_module_it_computes_the_same(reset, reduce):
    from qif_export.nir.bridge.to_torch import to_torch

    graph = network(reset=reset, spike_on_equal=reset is ResetMode.HARD)
    graph = Graph(nodes=dict(graph.nodes) | {"y": Readout(reduce=reduce)}, edges=graph.edges)
    codes = float_inputs(graph, steps=6)["image-1"]
    expected = run_float(graph, {"image-1": codes})
    module, state = to_torch(graph), None
    for t, frame in enumerate(codes):
        out, state = module(torch.tensor(frame, dtype=torch.float64), state)
        for name, key in (("a", "node_a"), ("b", "node_b")):
            p, q = graph.nodes[name].params, expected.populations[name]
            after = q.u[t] * (1 - q.s[t]) + q.s[t] * p.u_reset[0] if p.reset is ResetMode.HARD else q.u[t] - q.s[t] * p.reset_by[0]
            np.testing.assert_allclose(state[key].detach().numpy(), after, rtol=1e-12, atol=1e-12)  # sums in another order
    np.testing.assert_allclose(out.detach().numpy(), expected.readout, rtol=1e-12)
    assert all(n > 0 for n in expected.spikes().values())


@needs_nirtorch
def test_what_cannot_be_a_torch_module_is_said():
    from qif_export.nir.bridge.to_torch import to_torch

    graph = network()
    two = dict(graph.nodes) | {"x2": Input(shape=(4,)), "fc2": Dense(weight=np.ones((3, 4)))}
    with pytest.raises(UnsupportedError, match=r"'image-1'.*'x2'.*one input"):
        to_torch(Graph(nodes=two, edges=(*graph.edges, ("x2", "fc2"), ("fc2", "y"))))
    renamed = {("a_conv" if name == "a" else name): node for name, node in graph.nodes.items()}
    edges = tuple(tuple("a_conv" if end == "a" else end for end in edge) for edge in graph.edges)
    with pytest.raises(InputError, match=r"'a.conv', 'a_conv'.*one name"):
        to_torch(Graph(nodes=renamed, edges=edges))


@needs_nirtorch
def test_defects_that_are_worked_around_are_still_there():
    """Once one of these fails, its workaround can go."""
    import nirtorch

    affine = nir.Affine(np.zeros((2, 3), np.float32), np.full(2, 7.0, np.float32))
    graph = nir.NIRGraph(
        {"input": nir.Input(np.array([3])), "a": affine, "output": nir.Output(np.array([2]))}, [("input", "a"), ("a", "output")]
    )
    out, _ = nirtorch.nir_to_torch(graph, {})(torch.zeros(1, 3))
    assert not torch.equal(out, torch.full((1, 2), 7.0))  # the bias stays random

    class Doubled(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = torch.nn.Linear(3, 3)

        def forward(self, input):  # noqa: A002  # nirtorch looks for that name
            x = self.fc(input)
            return x + x

    assert [edge for edge in nirtorch.torch_to_nir(Doubled(), {}).edges if edge[0] == "fc"] == [("fc", "output")]  # once


def module(flaw: str = ""):
    from qif_export.nir.bridge.cells import QIFCell

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1 = torch.nn.Conv2d(2, 4, (3, 2), padding=(1, 1), dilation=(1, 2), groups=2)
            self.q1 = QIFCell(QIFParams.of(c2=0.25, c1=0.5, c0=[0.1, 0.2, 0.3, 0.4]))
            self.pool = torch.nn.AvgPool2d(2)
            self.conv2 = torch.nn.Conv2d(4, 4, 3, padding=1, bias=False)
            self.q2 = QIFCell(QIFParams.lif(decay=0.5))
            self.flat = torch.nn.Flatten()
            self.fc = torch.nn.Linear(48, 3)
            if flaw == "module":
                self.norm, self.act = torch.nn.BatchNorm2d(4), torch.nn.ReLU()

        def forward(self, x, state=None):
            z, _ = self.q1(self.conv1(x), state)
            z = self.pool(z)
            if flaw == "doubled":
                z = z + z
            if flaw == "product":
                z = z * z
            s, _ = self.q2(self.conv2(z) + z, state)
            return self.fc(self.flat(s + z))

    return Net().double()


def stepped(net, codes, scale) -> np.ndarray:
    """Sum of the outputs over time, with the states kept here: the module itself passes one ``state`` to all cells."""
    states = {}

    def keep(name, cell):
        forward = type(cell).forward

        def call(x, state=None):
            out, states[name] = forward(cell, x, states.get(name))
            return out, states[name]

        cell.forward = call

    keep("q1", net.q1)
    keep("q2", net.q2)
    with torch.no_grad():
        return sum(net(torch.tensor(frame * scale, dtype=torch.float64)) for frame in codes).numpy()


@needs_nirtorch
def test_a_torch_module_becomes_a_float_network_and_travels(tmp_path):
    from qif_export.nir.bridge.from_torch import from_torch

    torch.manual_seed(3)
    source = Input(shape=(2, 8, 6), low=-2, high=5, scale=0.25)
    net = module()
    graph = from_torch(net, source)
    codes = np.random.default_rng(1).integers(-2, 6, (6, 3, 2, 8, 6))
    trace = run_float(graph, {graph.inputs[0]: codes})
    assert all(n > 0 for n in trace.spikes().values())
    np.testing.assert_allclose(trace.readout, stepped(net, codes, 0.25), rtol=1e-10)
    write_float_nir(graph, tmp_path / "graph.nir")
    assert float_sha256(read_float_nir(tmp_path / "graph.nir").graph) == float_sha256(graph)
    assert {type(node).__name__ for node in float_to_nir(graph).nodes.values()} >= {"QIF", "Conv2d", "AvgPool2d", "Affine"}


@needs_nirtorch
@pytest.mark.parametrize(
    ("flaw", "words"),
    [("module", r"'norm' \(BatchNorm2d\).*'act' \(ReLU\)"), ("doubled", "added to itself"), ("product", "cannot be traced")],
)
def test_modules_that_have_no_node(flaw, words):
    from qif_export.nir.bridge.from_torch import from_torch

    with pytest.raises(UnsupportedError, match=words):
        from_torch(module(flaw), Input(shape=(2, 8, 6)))


# ---------------------------------------------------------------- the stock reader, for those who ask for it


@pytest.fixture
def registered():
    register_qif()
    register_qif()
    yield
    unregister_qif()


@pytest.mark.parametrize("write", [lambda path: write_nir(residual(), path), lambda path: write_float_nir(network(), path)])
def test_the_stock_reader_reads_and_writes_the_same_file(tmp_path, registered, write):
    write(tmp_path / "a.nir")
    graph = nir.read(tmp_path / "a.nir", type_check=False)
    assert {own.QIF, own.QIFInput, own.QIFReadout} <= {type(node) for node in graph.nodes.values()}
    again = BytesIO()  # as ours is made, in memory: libhdf5 lays a file on the disk out differently
    nir.write(again, graph)
    assert again.getvalue() == (tmp_path / "a.nir").read_bytes()


def test_nothing_is_registered_unasked(tmp_path):
    write_nir(residual(), tmp_path / "a.nir")
    with pytest.raises(AssertionError):
        nir.read(tmp_path / "a.nir")
    assert not hasattr(nir.ir, "QIF")
