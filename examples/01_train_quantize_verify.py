"""Train a quadratic spiking network on handwritten digits, turn it into integers, and prove that every backend agrees.

Prints the accuracy, the widths that the range proof found, and one line per backend. Everything lands in the folder ``--out``; the other
examples go on from there. Needs torch, onnxruntime and Lava (``pip install 'qif-deploy[all]'`` on Python 3.10); without one of the last
two its backend is skipped, and the line says so.
"""

import argparse
from pathlib import Path

import qif_deploy


def main(folder: Path) -> None:
    # Four epochs are enough to see something. Leave `epochs` out for the thirty of the recipe.
    trained = qif_deploy.train("digits", out=folder, epochs=4)
    print(f"trained:   {trained.metrics['accuracy_test']:.2%} of the test images, model in {trained.model}")

    # From floats to codes: 8-bit weights, a 24-bit state, and a scale per channel such that no quantity can leave its register.
    quantized = qif_deploy.quantize(trained.model, target="loihi2")
    network = quantized.network
    print(f"quantised: {len(network.populations)} populations for {network.number_format.name}, T = {network.steps}, in {quantized.path}")

    # The proof holds for every input that the network can be given, not only for the images at hand.
    report = qif_deploy.check(quantized.path, target="loihi2")
    for name, quantities in report.ranges.items():
        widest = max(quantities, key=lambda quantity: quantities[quantity][2])
        low, high, bits, verdict = quantities[widest]
        print(f"proven:    {name:8} widest quantity {widest:5} in [{low}, {high}], {bits} bits, {verdict}")

    # Equal means array_equal on currents, membranes and spikes of every neuron at every step: no tolerance.
    verified = qif_deploy.verify(quantized.path, samples=32)
    for name, check in verified.backends.items():
        equal = check.comparison  # None where the backend did not run
        said = f"not run: {check.skipped}" if equal is None else f"exact = {equal.exact}, {equal.arrays} arrays, {equal.spikes} spikes"
        print(f"verified:  {name:8} {said}")
    assert verified.holds


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("runs/examples"), help="folder for the results")
    main(parser.parse_args().out)
