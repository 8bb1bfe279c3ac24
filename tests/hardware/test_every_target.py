"""Every packaged profile, without naming one: it quantises, proves, runs the same on every fast backend, and maps or says why not."""

from __future__ import annotations

import pytest

from qif_deploy.analysis.check_network import Severity
from qif_deploy.analysis.range_proof import prove_ranges
from qif_deploy.api.backends import Backend, Execution, execute
from qif_deploy.errors import InputError
from qif_deploy.neuron.params import QIFParams
from qif_deploy.passes.quantize import quantize_graph
from qif_deploy.simulate.compare import compare_traces
from qif_deploy.simulate.inputs import prepare_inputs
from qif_deploy.simulate.reference import run_reference
from qif_hardware.mapping.fit import placement_findings
from qif_hardware.target import PROFILES, Target, load_target
from tests.core.test_quantize import float_chain, images

NAMES = sorted(path.stem for path in PROFILES.glob("*.toml"))


@pytest.fixture(params=NAMES)
def target(request: pytest.FixtureRequest) -> Target:
    return load_target(request.param)


FORMATS = {target.number_format.name: target for target in map(load_target, NAMES)}
"""One target of each format, as some share theirs."""


@pytest.mark.parametrize("name", FORMATS)
def test_a_network_is_quantised_proven_and_run_the_same(name: str) -> None:
    # The clamp keeps the quadratic in range where the state is narrow.
    params = QIFParams.of(c2=0.25, c1=0.875, u_min=-1.0)
    graph, _ = quantize_graph(float_chain(params), FORMATS[name].number_format, steps=4)
    assert prove_ranges(graph, steps=4).holds
    inputs = prepare_inputs(graph, images(8), steps=None)
    reference = run_reference(graph, inputs)
    assert min(reference.spikes().values()) > 0
    for backend in (Backend.BATCHED, Backend.ONNX, Backend.NIR):
        found = execute(backend, graph, inputs, how=Execution())
        assert compare_traces(reference, found).first_mismatch is None, backend


def test_its_cores_take_a_leaky_network_or_are_said_to_be_unknown(target: Target) -> None:
    if target.chip is None:
        with pytest.raises(InputError, match=f"'{target.name}' is a number format and says nothing of cores"):
            target.cores()
        return
    graph, _ = quantize_graph(float_chain(QIFParams.lif(decay=0.5)), target.number_format, steps=4)
    assert [finding.rule for finding in placement_findings(graph, target.cores()) if finding.severity is Severity.ERROR] == []
