"""The page on JSON against what the verbs give: a new key, or one of another type, fails here until it is written down."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

import qif_deploy
from qif_deploy.api.quantize_aware import qat_options
from qif_deploy.api.results import DemoOutcome
from tests.documents import json_keys, pages

Objects = Mapping[str, list[Any]]


@pytest.fixture(scope="module")
def objects(shared_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Objects:
    """What every verb gives for the small network of the concepts, with and without its options."""
    folder = pages.folder_after("concepts/index.md", shared_folder) / "runs" / "tiny"
    out = tmp_path_factory.mktemp("json")
    model, net = folder / "model.safetensors", folder / "net.nir"
    check = qif_deploy.check(net, data="digits", samples=32)
    fidelity = qif_deploy.diff(model, net, samples=32, out=out / "fidelity.json")
    damaged = qif_deploy.diff(model, _other(model, out), samples=8, out=out / "damaged.json")
    verified = qif_deploy.verify(net, samples=32, backends=("batched",), out=out / "verify.json")
    with_file = qif_deploy.verify(net, samples=4, files=(_other(model, out),), out=out / "file.json")
    placed = qif_deploy.map(net, out=out / "placement.json")
    energy = qif_deploy.energy(net, samples=32, out=out / "energy.json")
    routed = qif_deploy.energy(net, samples=4, placement=out / "placement.json", prices="loihi2", out=out / "routed.json")
    demo = DemoOutcome(
        fidelity=fidelity, backends=verified.backends, check=check, energy=energy.estimate, artefacts={"network": net}, seconds=1.0
    )
    given: dict[str, list[Any]] = {
        "train": [{"artefacts": {"model": "", "metrics": ""}, "metrics": json.loads((folder / "metrics.json").read_text())}],
        "convert": [qif_deploy.convert(model, out=out / "graph.nir")],
        "quantize": [
            qif_deploy.quantize(model, target="loihi2", out=out / "a.nir"),
            qif_deploy.quantize(model, target="loihi2", out=out / "b.nir", how=qif_deploy.PostTraining(memory_budget=900)),
            qif_deploy.quantize(model, target="w4", out=out / "c.nir", qat=qat_options(wanted=True, epochs=1, learning_rate=None, seed=0)),
        ],
        "check": [check, qif_deploy.check(net)],
        "run": [qif_deploy.run(net, backend="reference", input=folder.parents[1] / "codes.npy", out=out / "vectors.npz")],
        "diff": [fidelity, damaged],
        "verify": [verified, with_file],
        "export": [
            qif_deploy.export(net, to=to, out=out / name)
            for to, name in (("onnx", "net.onnx"), ("netx", "net.net"), ("loihi2-bundle", "bundle"), ("nir", "copy.nir"))
        ],
        "map": [placed],
        "energy": [energy, routed],
        "report": [qif_deploy.report(folder, out=out / "report.html")],
        "targets": [qif_deploy.targets()],
        "demo": [demo],
    }
    stored = {"diff": "fidelity", "verify": "verify", "map": "placement", "energy": "energy"}
    as_json = {verb: [one if isinstance(one, dict) else one.as_json() for one in several] for verb, several in given.items()}
    for verb, name in stored.items():
        assert json.loads((out / f"{name}.json").read_text()) == json.loads(json.dumps(as_json[verb][0])), name
    return {verb: json.loads(json.dumps(several)) for verb, several in as_json.items()}


def _other(model: Path, folder: Path) -> Path:
    """A network that is not the rounded model: its weights have fewer bits than it says."""
    path = folder / "narrow.nir"
    if not path.exists():
        qif_deploy.quantize(model, target="loihi2", out=path, how=qif_deploy.PostTraining(weight_bits=3))
    return path


TABLES = ("train", "convert", "quantize", "check", "run", "diff", "verify", "export", "map", "energy", "report", "targets", "demo")


@pytest.mark.timeout(600)
@pytest.mark.parametrize("verb", TABLES)
def test_every_key_of_a_verb_is_described(verb: str, objects: Objects) -> None:
    described = json_keys.tree(verb)
    if verb == "energy":
        described.below |= json_keys.tree("estimate").below
    found = sorted({finding for one in objects[verb] for finding in json_keys.differences(one, described)})
    assert found == []
    assert json_keys.unmet(described) == []


def test_every_verb_has_a_table() -> None:
    from qif_deploy.cli.app import VERBS

    assert {verb.__name__ for verb in VERBS} == set(TABLES)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda one: one | {"new": 1}, ".new is not described"),
        (lambda one: one | {"samples": "many"}, ".samples is 'many', described as integer"),
        (lambda one: {**one, "spikes": {"qif1": 0.5}}, ".spikes.qif1 is 0.5, described as integer"),
    ],
)
def test_a_change_of_an_object_is_noticed(change: Callable[[dict[str, Any]], dict[str, Any]], said: str) -> None:
    one = {
        "backend": "reference",
        "artefacts": {"vectors": "v"},
        "samples": 1,
        "steps": 1,
        "spikes": {"a": 1},
        "classes": [1],
        "seconds": 1,
    }
    assert list(json_keys.differences(one, json_keys.tree("run"))) == []
    assert list(json_keys.differences(change(one), json_keys.tree("run"))) == [said]
    assert json_keys.unmet(json_keys.tree("run")) != []
