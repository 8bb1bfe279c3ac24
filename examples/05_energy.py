"""Energy per inference from the spikes of real images, and what is missing from it."""

from pathlib import Path

import qif_deploy

NETWORK = Path("runs/example/net.nir")


def main() -> None:
    estimate = qif_deploy.energy(NETWORK, samples=100)
    for layer in estimate.layers:
        typical = sum(term["typical"] for term in layer.energy_j.values())
        print(f"{layer.name:10} {typical * 1e6:8.3f} uJ typical")
    bounds = ", ".join(f"{level} {value * 1e6:.2f} uJ" for level, value in estimate.at_least.items())
    print(f"at least: {bounds}")
    for term, reason in estimate.unpriced.items():
        print(f"not priced: {term} ({reason})")


if __name__ == "__main__":
    main()
