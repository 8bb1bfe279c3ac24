"""Our counts by NeuroBench's rules against those that its own package gave on the same networks and inputs."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import pytest

from qif_deploy.pricing.neurobench_metrics import neurobench_metrics
from qif_deploy.simulate.op_counts import count_operations
from qif_deploy.simulate.reference import run_reference
from tests.peers.neurobench_counts import COUNTS, NETWORKS, SAMPLES, inputs_of

STORED: dict[str, Any] = json.loads(COUNTS.read_text())


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_counts_equal_those_of_the_package(name: str) -> None:
    graph, theirs = NETWORKS[name](), STORED["networks"][name]
    trace = run_reference(graph, inputs_of(graph))
    half = [run_reference(graph, {n: x[:, part] for n, x in inputs_of(graph).items()}) for part in (slice(0, 5), slice(5, None))]
    ours = neurobench_metrics(graph, [trace])
    assert neurobench_metrics(graph, half) == ours  # however the samples are cut
    assert (STORED["samples"], ours.samples) == (SAMPLES, SAMPLES)
    said = ours.as_json()
    assert said["synaptic_operations"] == theirs["synaptic_operations"]
    assert said["membrane_updates"] == theirs["membrane_updates"]
    assert said["activation_sparsity"] == pytest.approx(theirs["activation_sparsity"], abs=1e-12)
    assert round(said["connection_sparsity"], 4) == theirs["connection_sparsity"]
    assert theirs["synaptic_operations"]["Effective_ACs"] > 0


def test_true_fan_out_is_never_below_effective_operations() -> None:
    """Where no pool merges spikes, ours differ from NeuroBench's by the zero weights alone."""
    graph = NETWORKS["strided"]()
    trace = run_reference(graph, inputs_of(graph))
    synops = sum(layer.synops.mean() for layer in count_operations(graph, trace))
    effective = neurobench_metrics(graph, [trace]).effective_acs
    assert 0.6 * synops < effective < synops  # a third of the weights is zero


def test_the_stored_counts_are_what_the_package_gives() -> None:
    try:
        installed = version("neurobench")
    except PackageNotFoundError:
        pytest.skip("neurobench is not installed; install the group peers (neurobench 2.3)")
    if installed != STORED["neurobench"]:
        pytest.skip(f"neurobench {installed} is installed, the stored counts are of {STORED['neurobench']}")
    script = (
        "import json, warnings; warnings.simplefilter('ignore')\n"
        "from tests.peers.neurobench_counts import NETWORKS, neurobench_counts\n"
        "print(json.dumps({name: neurobench_counts(build()) for name, build in NETWORKS.items()}))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout.splitlines()[-1]) == STORED["networks"]
