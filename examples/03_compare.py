"""Compare float with integer layer by layer, then every backend with the reference, bit by bit."""

from pathlib import Path

import qif_deploy

FOLDER = Path("runs/example")


def main() -> None:
    fidelity = qif_deploy.diff(FOLDER / "model.safetensors", FOLDER / "net.nir", samples=100)
    for layer in fidelity.layers:
        print(f"{layer.name}: {layer.spike_agreement:.4f} of the spike decisions agree, membrane error {layer.membrane_rmse:.3f} theta")
    verified = qif_deploy.verify(FOLDER / "net.nir", samples=40)
    for name, check in verified.backends.items():
        print(f"{name}: exact = {check.exact}" + (f" (not run: {check.skipped})" if check.skipped else ""))


if __name__ == "__main__":
    main()
