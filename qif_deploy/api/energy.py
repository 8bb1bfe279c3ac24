"""Count operations of a run and price them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from qif_deploy.api.counting import count_network, neurobench_of
from qif_deploy.api.files import destination, write_json
from qif_deploy.api.input_batches import input_batches
from qif_deploy.api.loading import load_network
from qif_deploy.errors import InputError, raise_findings
from qif_deploy.pricing.deployment import Deployment
from qif_deploy.pricing.energy_report import EnergyReport, energy_report
from qif_deploy.pricing.placement import Placement, read_placement
from qif_deploy.pricing.price_list import load_price_list

DEFAULT_PRICES = "loihi1-fitted"


def energy(
    network: Path,
    *,
    input: Path | None = None,  # noqa: A002  # the flag's name
    data: str | None = None,
    data_root: Path | None = None,
    samples: int | None = None,
    prices: str | Path = DEFAULT_PRICES,
    deployment: Deployment | None = None,
    placement: Path | None = None,
    lif: Path | None = None,
    out: Path | None = None,
) -> EnergyReport:
    """Count the operations of a run on real input, sample by sample and in bounded memory, and price them; write ``energy.json``.

    Args:
        network: ``net.nir``.
        input: codes to run on, instead of a data set.
        data: data set by name, or a file of codes; None for the network's own.
        data_root: folder of data sets that no package carries.
        samples: how many, from the start; None for all.
        prices: price list by name, or the path of one.
        deployment: cores, chips and measured step, for static power; None leaves that unpriced.
        placement: ``placement.json`` of this network, for cores, chips, messages and hops; ``deployment`` must not name others.
        lif: a LIF network of the same topology, run on the same inputs for its twin; None takes this network's spikes.
        out: the result; None for ``energy.json`` beside the network.

    Raises:
        InputError: a file, name or number that does not fit.
    """
    graph = load_network(network)
    linear = None if lif is None else load_network(lif)
    price_list = load_price_list(prices)
    path = destination(out, default=Path(network).parent / "energy.json", reads=(placement,))
    inputs = input_batches(graph, data=data, input_file=input, samples=samples, data_root=data_root)
    placed = None if placement is None else read_placement(placement, graph)
    counted = count_network(inputs, activity=placed is not None)
    twin = None
    if linear is not None:
        if any(linear.population(name).constants.c2m.any() for name in linear.populations):
            raise InputError(f"twin {str(lif)!r} has quadratic populations; give a network trained with neuron 'lif'")
        if data is None and input is None:
            data = graph.provenance.get("dataset")
        twin = count_network(input_batches(linear, data=data, input_file=input, samples=samples, data_root=data_root))
    somewhere = _with_placement(Deployment() if deployment is None else deployment, placed)
    report = energy_report(counted, price_list, somewhere, placement=placed, lif=twin, neurobench=neurobench_of(inputs))
    write_json(path, report.as_json())
    return report


def _with_placement(deployment: Deployment, placed: Placement | None) -> Deployment:
    if placed is None:
        return deployment
    stated = (("cores", deployment.cores, placed.cores), ("chips", deployment.chips, placed.chips))
    others = [
        f"placement {placed.source!r} takes {found} {name}, given are {given}; leave {name} out, or map to as many"
        for name, given, found in stated
        if given is not None and found is not None and given != found
    ]
    raise_findings(InputError, others)
    return replace(
        deployment,
        cores=placed.cores if deployment.cores is None else deployment.cores,
        chips=placed.chips if deployment.chips is None else deployment.chips,
        source=f"{placed.source}; {deployment.source}",
    )


def stated_deployment(
    *, cores: int | None = None, chips: int | None = None, step_us: float | None = None, placed: bool = False
) -> Deployment:
    """Return a deployment from numbers that a user gives; one chip where only cores are named, and no placement says how many.

    Raises:
        InputError: a number that no deployment has.
    """
    said = [f"{name} {value}" for name, value in (("cores", cores), ("chips", chips), ("step_us", step_us)) if value is not None]
    return Deployment(
        cores=cores,
        chips=1 if chips is None and cores is not None and not placed else chips,
        step_s=None if step_us is None else step_us * 1e-6,
        source=f"as given: {', '.join(said)}" if said else "nothing said",
    )
