"""Energy per inference from the spikes of real images, what is missing from it, and the twins of the same topology."""

from pathlib import Path

import qif_deploy

NETWORK = Path("runs/example/net.nir")


def main() -> None:
    report = qif_deploy.energy(NETWORK, samples=100, deployment=qif_deploy.Deployment(cores=10, chips=1))
    for layer in report.estimate.layers:
        print(f"{layer.name:10} {layer.sum_j['typical'] * 1e6:8.3f} uJ typical")
    bounds = ", ".join(f"{level} {value * 1e6:.2f} uJ" for level, value in report.estimate.at_least.items())
    print(f"at least: {bounds}")
    for term, reason in report.estimate.unpriced.items():
        print(f"not priced: {term} ({reason})")
    twins = report.twins
    print(f"under {twins.price_list.name}: this network {twins.network.at_least['typical'] * 1e6:.3f} uJ")
    for name, twin in twins.twins.items():
        print(f"  {name:9} {twin.estimate.at_least['typical'] * 1e6:8.3f} uJ  ({twin.basis})")


if __name__ == "__main__":
    main()
