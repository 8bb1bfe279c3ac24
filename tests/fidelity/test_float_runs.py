"""The float network on torch against NumPy's, and what the noise floor counts."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from qif_deploy.errors import InputError
from qif_deploy.fidelity.compare import Comparing, compare_fidelity
from qif_deploy.fidelity.noise import NoiseRun, in_parts
from qif_deploy.passes.quantize import quantize_graph
from qif_deploy.simulate.float_sim import run_float
from tests.fidelity.networks import MORE_FORMS, STEPS, float_chain, float_residual, images
from tests.networks import number_format

torch = pytest.importorskip("torch")

from qif_deploy.simulate.engine.float_run import FloatPrecision, available_precisions, run_float_torch  # noqa: E402  # after the skip
from qif_deploy.training.to_graph import to_graph  # noqa: E402
from tests.core.trained import chain_network, codes  # noqa: E402


@pytest.mark.parametrize("form", MORE_FORMS)
@pytest.mark.parametrize("build", [float_chain, float_residual])
def test_float64_on_torch_is_the_float64_network(form: str, build: object) -> None:
    graph = build(MORE_FORMS[form])  # type: ignore[operator]
    expected, found = run_float(graph, images(12)), run_float_torch(graph, images(12), precision=FloatPrecision.FLOAT64)
    for name, population in expected.populations.items():
        assert np.array_equal(found.populations[name].s, population.s)
        np.testing.assert_allclose(found.populations[name].u, population.u, rtol=0, atol=1e-12)  # sums of tens of terms, in another order
    np.testing.assert_allclose(found.readout, expected.readout, rtol=0, atol=1e-11)


def test_norms_pools_and_the_held_frame_run_in_every_precision() -> None:
    network = chain_network()
    graph = to_graph(network)
    frames = np.broadcast_to(codes(16), (network.spec.steps, 16, 1, 8, 8))
    exact = run_float(graph, {"image": frames})
    flips = {}
    for precision in available_precisions("cpu"):
        found = run_float_torch(graph, {"image": frames}, precision=precision)
        flips[precision] = sum(int((found.populations[n].s != p.s).sum()) for n, p in exact.populations.items())
        assert found.populations["qif1"].u.dtype == (np.float64 if precision is FloatPrecision.FLOAT64 else np.float32)
    spikes = sum(exact.spikes().values())
    assert flips[FloatPrecision.FLOAT64] == 0
    assert flips[FloatPrecision.FLOAT32] < 0.001 * spikes
    assert flips[FloatPrecision.FLOAT32] < flips[FloatPrecision.BF16] < 0.2 * spikes


def test_a_precision_that_the_device_lacks_is_refused_with_those_that_it_has() -> None:
    with pytest.raises(InputError, match="precision 'tf32' is not one of device 'cpu'; use one of float64, float32, bf16"):
        run_float_torch(float_chain(MORE_FORMS["lif"]), images(2), precision=FloatPrecision.TF32)


def test_the_noise_floor_counts_what_differs_between_two_float_runs() -> None:
    graph = float_chain(MORE_FORMS["fixed points"])
    quantized, _ = quantize_graph(graph, number_format(), steps=STEPS)
    inputs = images(40)
    labels = run_float(graph, inputs).readout.argmax(axis=1)
    brain = partial(run_float_torch, graph, precision=FloatPrecision.BF16)
    noise = (
        NoiseRun(name="bf16", run=brain),
        NoiseRun(name="bf16 in parts", run=in_parts(brain, 7), against="bf16"),
        NoiseRun(name="itself", run=partial(run_float, graph)),
    )
    parts = [({"image": inputs["image"][:, a:b]}, labels[a:b]) for a, b in ((0, 25), (25, 40))]
    rows = {row.name: row for row in compare_fidelity(graph, quantized, parts, how=Comparing(noise=noise)).noise}
    exact, single = run_float(graph, inputs), brain(inputs)
    flips = sum(int((single.populations[n].s != p.s).sum()) for n, p in exact.populations.items())
    assert flips > 0
    assert rows["bf16"].flips_per_spike == pytest.approx(flips / sum(exact.spikes().values()))
    assert rows["bf16"].accuracy == pytest.approx((single.readout.argmax(axis=1) == labels).mean())
    assert rows["bf16"].answers_changed == (single.readout.argmax(axis=1) != labels).sum()
    assert (rows["itself"].flips_per_spike, rows["itself"].answers_changed, rows["itself"].accuracy) == (0.0, 0, 1.0)
    assert rows["bf16 in parts"].against == "bf16"
    assert rows["bf16 in parts"].samples == 40


def test_given_spikes_stand_for_a_population_and_only_the_rest_is_computed() -> None:
    graph = float_residual(MORE_FORMS["roots"])
    whole = run_float(graph, images(8))
    q1 = whole.populations["q1"].s
    rest = run_float(graph, images(8), given={"q1": q1})
    assert set(rest.populations) == {"q2"}
    assert np.array_equal(rest.readout, whole.readout)
    assert not np.array_equal(run_float(graph, images(8), given={"q1": 1 - q1}).readout, whole.readout)
    assert not run_float(graph, images(8), given={n: p.s for n, p in whole.populations.items()}).populations
