"""One walk through all verbs, in the order in which a user meets them: the examples of every help text.

A test runs them all, one after the other, in one folder that holds ``codes.npy`` (integer codes of images) and ``theirs.nir`` (a network of
another tool). They are kept below 78 columns, so that no terminal breaks them.
"""

from __future__ import annotations

EXAMPLES: dict[str, tuple[str, ...]] = {
    "demo": (
        "qif-deploy demo",
        "qif-deploy demo --out runs/seed1 --seed 1 -v      # with every table",
    ),
    "train": (
        "qif-deploy train --recipe digits --out runs/mine",
        "qif-deploy train --recipe digits_lif --out runs/lif --epochs 5 --seed 1",
    ),
    "convert": (
        "qif-deploy convert theirs.nir --steps 16 --out graph.nir",
        "qif-deploy convert theirs.nir --convention snntorch --out snn.nir -v",
        "qif-deploy convert runs/mine/model.safetensors",
    ),
    "quantize": (
        "qif-deploy quantize runs/mine/model.safetensors --target loihi2",
        "qif-deploy quantize runs/mine/model.safetensors --weight-bits 4 \\\n      --scales mse --bias-correction --out runs/mine/w4.nir",
        "qif-deploy quantize runs/lif/model.safetensors",
    ),
    "check": (
        "qif-deploy check runs/mine/net.nir",
        "qif-deploy check runs/mine/net.nir --target loihi2-lava",
        "qif-deploy check runs/mine/net.nir --data digits -v # proof beside real data",
    ),
    "run": (
        "qif-deploy run runs/mine/net.nir --input codes.npy",
        "qif-deploy run runs/mine/net.nir --input codes.npy --backend onnx --json",
    ),
    "diff": (
        "qif-deploy diff runs/mine/model.safetensors runs/mine/net.nir",
        "qif-deploy diff runs/mine/model.safetensors runs/mine/w4.nir --samples 100 \\\n      --out runs/mine/fidelity_w4.json",
    ),
    "verify": (
        "qif-deploy verify runs/mine/net.nir",
        "qif-deploy verify runs/mine/net.nir --backend batched --backend onnx",
        "qif-deploy verify runs/mine/net.nir --file runs/mine/vectors.npz",
    ),
    "export": (
        "qif-deploy export runs/mine/net.nir --to onnx",
        "qif-deploy export runs/mine/net.nir --to onnx --profile qdq \\\n      --out runs/mine/qdq.onnx",
        "qif-deploy export runs/mine/net.nir --to loihi2-bundle --input codes.npy",
    ),
    "map": (
        "qif-deploy map runs/mine/net.nir",
        "qif-deploy map runs/mine/net.nir --objective cores --plots runs/mine/plots",
    ),
    "energy": (
        "qif-deploy energy runs/mine/net.nir",
        "qif-deploy energy runs/mine/net.nir --placement runs/mine/placement.json",
        "qif-deploy energy runs/mine/net.nir --lif runs/lif/net.nir --samples 100",
    ),
    "report": (
        "qif-deploy report runs/mine",
        "qif-deploy report runs/mine --figures svg    # and every chart for papers",
    ),
    "targets": (
        "qif-deploy targets",
        "qif-deploy targets -v            # every number with unit, source and grade",
        "qif-deploy targets -q --out targets.json",
    ),
}
"""Examples by verb; a line that ends in a backslash goes on."""
