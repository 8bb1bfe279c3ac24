"""Arguments of the wrong kind in Python: taken for what they plainly mean, or refused by an error of the project."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import qif_deploy
from tests.core.conftest import Artefacts

WRONG: dict[str, tuple[Callable[[Artefacts], object], str]] = {
    "the text of a scale": (lambda _: qif_deploy.PostTraining(scales="mse"), "scales 'mse' is no ScaleMethod; give one of ScaleMethod."),
    "the text of a scale of QAT": (lambda _: qif_deploy.QatOptions(scales="max"), "scales 'max' is no ScaleChoice"),
    "the text of a figure": (lambda tiny: qif_deploy.report(tiny.folder, figures="svg"), "figures 'svg' is no FigureFormat"),
    "fewer than one step": (lambda tiny: qif_deploy.run(tiny.network, input=tiny.codes, steps=-1), "a run of -1 time steps is empty"),
    "a folder as text": (lambda tiny: qif_deploy.verify(tiny.network, data="cifar10", data_root="/none"), "/none"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_meant_is_refused(tiny: Artefacts, name: str) -> None:
    call, words = WRONG[name]
    with pytest.raises(qif_deploy.InputError) as error:
        call(tiny)
    assert words in str(error.value)


def test_profiles_and_lists_may_be_paths(tiny: Artefacts, tmp_path: Path) -> None:
    import qif_hardware

    profile = Path(qif_hardware.__file__).parent / "targets" / "loihi2.toml"
    assert qif_deploy.quantize(tiny.model, target=profile, out=tmp_path / "net.nir").network == qif_deploy.load_network(tiny.network)
    assert qif_deploy.check(tiny.network, target=profile).verdict in ("ok", "warn")
    prices = Path(qif_deploy.__file__).parent / "pricing" / "prices" / "loihi1-fitted.toml"
    report = qif_deploy.energy(tiny.network, prices=prices, samples=4, out=tmp_path / "energy.json")
    assert report.estimate.price_list.name == "loihi1-fitted"


def test_spikes_may_be_booleans(tiny: Artefacts, tmp_path: Path) -> None:
    codes = np.load(tiny.codes) > 8
    traces = []
    for name, kind in (("bool", np.bool_), ("codes", np.uint8)):
        np.save(tmp_path / f"{name}.npy", codes.astype(kind))
        outcome = qif_deploy.run(tiny.network, input=tmp_path / f"{name}.npy", out=tmp_path / f"{name}.npz")
        traces.append(qif_deploy.Trace.load(outcome.vectors))
    for (name, one), (_, other) in zip(traces[0].computed(), traces[1].computed(), strict=True):
        assert np.array_equal(one, other), name
