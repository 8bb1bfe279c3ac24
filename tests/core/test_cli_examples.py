"""The examples of the help texts, as they stand there, one after the other in one folder, as a user would type them.

The recipes ``digits`` and ``digits_lif`` are trained for one epoch at a tiny width, and the demo shows its network a few images, so that
all of it takes seconds; everything else is as typed.
"""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qif_deploy.cli.app import VERBS
from tests.core.cli_runner import cli
from tests.export.peers.stored import unpacked
from tests.hardware.lava_marks import MISSING

pytest.importorskip("torch", reason="torch is not installed (extra 'train')")
for needed in ("lightning", "sklearn", "h5py", "onnxruntime", "matplotlib", "networkx"):
    pytest.importorskip(needed, reason=f"{needed} is not installed (extra 'all')")


def examples(verb: str) -> list[list[str]]:
    """The words of every example in the help of a verb, without comments; a backslash at the end of a line joins it to the next."""
    shown = cli(verb, "--help").out.split("\nExamples:\n")[1].split("\n\n")[0]
    return [shlex.split(line, comments=True) for line in shown.replace("\\\n", " ").splitlines()]


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    import qif_deploy.api.demonstration as demonstration
    import qif_deploy.training.recipe as recipe

    load, whole = recipe.load_recipe, demonstration.dataset_inputs

    def tiny(name: str) -> Any:
        return replace(load(name), epochs=1, steps=3, channels=(2, 3), hidden=8)

    monkeypatch.setattr(recipe, "load_recipe", tiny)
    monkeypatch.setattr(demonstration, "dataset_inputs", lambda graph, name, *, samples: whole(graph, name, samples=40))
    monkeypatch.chdir(tmp_path)
    np.save("codes.npy", np.random.default_rng(0).integers(0, 17, (3, 34, 1, 8, 8)))
    unpacked("snntorch-subtract", tmp_path).rename("theirs.nir")
    return tmp_path


@pytest.mark.slow
@pytest.mark.lava
@pytest.mark.timeout(300)
def test_every_example_of_every_help_text_runs(small: Path) -> None:
    for verb in (verb.__name__ for verb in VERBS):
        for command, *words in examples(verb):
            assert command == "qif-deploy"
            result = cli(*words)
            if verb == "demo" and MISSING is not None:
                assert result.code == 1, result
                assert "does not hold: lava did not run" in result.out
                continue
            assert result.code == 0, (words, result)
            assert result.err == "" or "--json" in words
            assert result.out or "-q" in words
    made = {str(path.relative_to(small)) for path in small.rglob("*") if path.is_file()}
    assert made >= {
        "runs/demo/demo.json", "runs/mine/net.nir", "runs/mine/w4.nir", "runs/lif/net.nir", "graph.nir", "runs/mine/vectors.npz",
        "runs/mine/fidelity_w4.json", "runs/mine/verify.json", "runs/mine/net.onnx", "runs/mine/qdq.onnx", "runs/mine/placement.json",
        "runs/mine/energy.json", "targets.json",
    }  # fmt: skip
