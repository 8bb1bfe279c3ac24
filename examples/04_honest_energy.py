"""What would an inference cost? Count operations from real spikes, price them, and set the same topology as LIF and ANN beside it.

Starts from the folder of ``01_train_quantize_verify.py``. Prints energy per layer with its range, what has no price, how the estimators
disagree about the same counts, and the twins of the same topology. Nothing is measured on a chip.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path

import qif_deploy


def microjoules(levels: Mapping[str, float]) -> str:
    return f"{levels['typical'] * 1e6:.2f} uJ ({levels['low'] * 1e6:.2f} to {levels['high'] * 1e6:.2f})"


def main(folder: Path) -> None:
    # Static power needs to know how many cores are powered: numbers of a placement (example 05), or your own as here.
    somewhere = qif_deploy.Deployment(cores=8, chips=1, source="this example says so")
    report = qif_deploy.energy(folder / "net.nir", samples=100, deployment=somewhere)

    print(f"per inference, estimator {report.estimate.price_list.name}")
    for layer in report.estimate.layers:
        print(f"  {layer.name:8} {microjoules(layer.sum_j)}")
    # A term without a price makes the sum a lower bound. It is named, and never filled in.
    print(f"  at least {microjoules(report.estimate.at_least)}")
    for term, reason in report.estimate.unpriced.items():
        print(f"  not priced: {term} ({reason})")

    print("the same counts under other estimators, never to be mixed")
    for name, estimate in report.others.items():
        print(f"  {name:17} at least {microjoules(estimate.at_least)}, {len(estimate.unpriced)} terms without a price")

    twins = report.twins
    print(f"twins under {twins.price_list.name}")
    print(f"  {'this one':8} {microjoules(twins.network.at_least)}")
    for name, twin in twins.twins.items():
        print(f"  {name:8} {microjoules(twin.estimate.at_least)}: {twin.basis}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("runs/examples"), help="the folder of example 01")
    main(parser.parse_args().out)
