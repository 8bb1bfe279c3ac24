"""Run one image on two backends and follow a neuron's membrane code by code; the two agree in every state."""

from pathlib import Path

import numpy as np

import qif_deploy

FOLDER = Path("runs/example")


def main() -> None:
    image = np.random.default_rng(0).integers(0, 17, (1, 1, 8, 8))  # codes 0..16, held for all steps
    np.save(FOLDER / "codes.npy", image)
    traces = {}
    for backend in ("reference", "onnx"):
        outcome = qif_deploy.run(FOLDER / "net.nir", backend=backend, input=FOLDER / "codes.npy", out=FOLDER / f"{backend}.npz")
        traces[backend] = qif_deploy.Trace.load(outcome.vectors)
    for name, population in traces["reference"].populations.items():
        neuron = (slice(None), 0, *(0 for _ in population.u.shape[2:]))
        print(f"{name}: u = {population.u[neuron].tolist()}, s = {population.s[neuron].tolist()}")
        assert np.array_equal(population.u, traces["onnx"].populations[name].u)


if __name__ == "__main__":
    main()
