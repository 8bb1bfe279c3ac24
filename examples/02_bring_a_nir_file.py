"""Bring a network of another framework: a NIR file in, an integer network and its spikes out.

Writes a small NIR file with the ``nir`` package, in the form in which snnTorch's exporter writes it, then reads it as if it had come by
mail. Prints what was recognised, what had to be assumed, and the spikes of the reference and of onnxruntime.
Needs ``pip install 'qif-deploy[nir,onnx]'``.
"""

import argparse
from pathlib import Path

import nir
import numpy as np

import qif_deploy

STEPS, DT = 16, 1e-4


def write_theirs(path: Path) -> None:
    """Two layers of snnTorch's ``Leaky(beta=0.9)``; its exporter writes ``tau = dt / (1 - beta)`` and ``r = tau / dt`` in float32."""
    rng = np.random.default_rng(0)

    def leaky(size: int) -> nir.LIF:
        tau, zero = np.full(size, DT / (1 - 0.9), np.float32), np.zeros(size, np.float32)
        return nir.LIF(tau=tau, r=tau / np.float32(DT), v_leak=zero, v_threshold=zero + 1, v_reset=zero)

    nodes = {
        "input": nir.Input(input_type=np.array([24])),
        "fc1": nir.Affine(weight=rng.normal(0, 0.2, (32, 24)), bias=np.zeros(32)),
        "lif1": leaky(32),
        "fc2": nir.Affine(weight=rng.normal(0, 0.3, (10, 32)), bias=np.zeros(10)),
        "lif2": leaky(10),
        "output": nir.Output(output_type=np.array([10])),
    }
    edges = [("input", "fc1"), ("fc1", "lif1"), ("lif1", "fc2"), ("fc2", "lif2"), ("lif2", "output")]
    nir.write(path, nir.NIRGraph(nodes=nodes, edges=edges))


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    theirs = folder / "theirs.nir"
    write_theirs(theirs)

    # A NIR file states differential equations and not what a tool does per step, so the convention is recognised, or asked for.
    converted = qif_deploy.convert(theirs, out=folder / "graph.nir", steps=STEPS)
    print(f"read as {converted.source}, time steps of {converted.convention}")
    for note in converted.notes:
        print(f"  {note}")

    quantized = qif_deploy.quantize(converted.path, target="loihi2", out=folder / "theirs-net.nir")
    rng = np.random.default_rng(1)
    spikes = rng.random((STEPS, 8, 24)) < rng.random((8, 24))  # (time, sample, neuron): every neuron has a rate of its own
    np.save(folder / "spikes.npy", spikes.astype(np.int64))
    traces = {}
    for backend in ("reference", "onnx"):
        outcome = qif_deploy.run(quantized.path, backend=backend, input=folder / "spikes.npy", out=folder / f"{backend}.npz")
        traces[backend] = qif_deploy.Trace.load(outcome.vectors)
        print(f"{backend:9} spikes {dict(outcome.spikes)}, classes {list(outcome.classes)}")
    for name, population in traces["reference"].populations.items():
        assert np.array_equal(population.u, traces["onnx"].populations[name].u), name
    print("every membrane of every step is equal")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("runs/theirs"), help="folder for the results")
    main(parser.parse_args().out)
