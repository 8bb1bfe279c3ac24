"""``energy --placement``: its cores and chips are what is priced, and numbers beside it may not say otherwise."""

from __future__ import annotations

import json
from pathlib import Path

from tests.core.cli_runner import assert_one_line, cli
from tests.core.conftest import Artefacts


def test_cores_and_chips_may_not_contradict_the_placement(tiny: Artefacts, tmp_path: Path) -> None:
    placement, out = tmp_path / "placement.json", tmp_path / "energy.json"
    placement.write_text(json.dumps({"cores": 8, "chips": 2}))
    words = ("energy", tiny.network, "--samples", 8, "--placement", placement, "--out", out)
    assert_one_line(cli(*words, "--cores", 3), f"placement '{placement}' takes 8 cores, given are 3; leave cores out, or map to as many")
    assert_one_line(cli(*words, "--cores", 4, "--chips", 1), "8 cores, given are 4", "2 chips, given are 1")
    assert not out.exists()
    for agreeing in ((), ("--cores", 8), ("--chips", 2)):
        assert cli(*words, *agreeing, "--json").json["deployment"] | {"source": ""} == cli(*words, "--json").json["deployment"] | {
            "source": ""
        }
