"""Where does accuracy go? Compare float with integers, then damage the integer network on purpose and let ``diff`` find it.

Starts from the folder of ``01_train_quantize_verify.py``. Prints, layer by layer, how many spikes flip and what explains them:
first for the sound network, then for one whose third channel of ``qif2`` has a threshold 5 % too high.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import qif_deploy

SAMPLES = 100


def damaged(network: qif_deploy.QuantizedGraph) -> qif_deploy.QuantizedGraph:
    """Return the network with one threshold off. Values are frozen, so a changed network is a new one; it is checked like any other."""
    population = network.population("qif2")
    theta = population.constants.theta.copy()
    theta[2] = round(1.05 * theta[2])
    worse = replace(population, constants=replace(population.constants, theta=theta))
    return replace(network, nodes={**network.nodes, "qif2": worse})


def tell(title: str, fidelity: qif_deploy.Fidelity) -> None:
    print(f"{title}: float {fidelity.accuracy_float:.2%}, integer {fidelity.accuracy_integer:.2%}, verdict {fidelity.verdict.value}")
    for layer in fidelity.layers:
        causes = layer.causes  # why the integer spike is another one than the float spike
        print(
            f"  {layer.name}: {causes.total} spikes flip; {causes.rounding} by rounding, {causes.history} by earlier flips,"
            f" {causes.unexplained} unexplained; {layer.forced.causes.unexplained} unexplained when fed with float spikes"
        )
    for finding in fidelity.findings:
        print(f"  found: {finding.place}, {finding.kind.value}, channels {list(finding.channels)}: {finding.text}")


def main(folder: Path) -> None:
    model = folder / "model.safetensors"
    sound = qif_deploy.quantize(model, target="loihi2", out=folder / "net.nir")
    tell("sound", qif_deploy.diff(model, sound.path, samples=SAMPLES))

    worse = folder / "damaged.nir"
    qif_deploy.export(damaged(sound.network), to="nir", out=worse)
    tell("damaged", qif_deploy.diff(model, worse, samples=SAMPLES, out=folder / "damaged-fidelity.json"))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("runs/examples"), help="the folder of example 01")
    main(parser.parse_args().out)
