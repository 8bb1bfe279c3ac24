"""Count operations of a run and price them."""

from __future__ import annotations

from pathlib import Path

from qif_deploy.api.backends import count_run
from qif_deploy.api.files import destination, write_json
from qif_deploy.api.loading import load_network
from qif_deploy.api.real_inputs import real_inputs
from qif_deploy.pricing.estimate import EnergyEstimate, estimate_energy
from qif_deploy.pricing.price_list import load_price_list


def energy(
    network: Path,
    *,
    input: Path | None = None,  # noqa: A002  # the flag's name
    data: str | None = None,
    data_root: Path | None = None,
    samples: int | None = None,
    prices: str = "loihi1",
    out: Path | None = None,
) -> EnergyEstimate:
    """Count the operations of a run on real input and price them; write ``energy.json``."""
    graph = load_network(network)
    price_list = load_price_list(prices)
    path = destination(out, default=Path(network).parent / "energy.json")
    real = real_inputs(graph, data=data, input_file=input, samples=samples, data_root=data_root)
    estimate = estimate_energy(count_run(graph, real.codes), price_list)
    write_json(path, estimate.as_json())
    return estimate
