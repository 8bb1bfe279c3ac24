"""Wrong folders and damaged files: one line and exit code 2, whatever stands in them."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from qif_deploy.errors import InputError
from qif_deploy.reporting.run_files import RESULTS, read_run
from qif_deploy.reporting.whole_page import whole_page
from tests.core.cli_runner import assert_one_line, cli
from tests.core.report_run import Damage, damage

DAMAGES: dict[str, tuple[str, Damage, str]] = {
    "a missing key": ("fidelity.json", lambda v: v.pop("matrix"), "matrix is missing"),
    "a text for a number": ("energy.json", lambda v: v["at_least"].update(low="x"), "at_least.low is 'x' instead of a number"),
    "an unknown verdict": ("fidelity.json", lambda v: v["diagnosis"].update(verdict="fine"), "'fine' is none of rounding"),
    "a ragged matrix": ("fidelity.json", lambda v: v["matrix"]["flips_per_spike"][0].pop(), "matrix.flips_per_spike[0]"),
    "courses of other lengths": ("fidelity.json", lambda v: v["membranes"][0]["u_float"].pop(), "membranes[0].u_float"),
    "a core beside the mesh": ("placement.json", lambda v: v["placement"][0].update(router=[99, 0]), "is not on the mesh"),
    "an endless mesh": ("placement.json", lambda v: v["mesh"].update(columns=10**9), "are of no chip"),
    "no network named": ("verify.json", lambda v: v.pop("content_hash"), "content_hash is missing"),
    "no truth": ("verify.json", lambda v: v["backends"]["batched"].update(exact="yes"), "instead of true, false or null"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_result_is_one_line(run_copy: Path, name: str) -> None:
    file, change, reason = DAMAGES[name]
    damage(run_copy / file, change)
    assert_one_line(cli("report", run_copy), file, "is damaged or not ours", reason, f"`qif-deploy {RESULTS[file]}`")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not readable JSON"),
        (b'{"content_hash": NaN}', "NaN is no JSON number"),
        (b"[1, 2]", "holds no object"),
        (b'{"content_hash": "\xff"}', "can't decode"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"content_hash": 1e999}', "beyond float64"),
    ],
    ids=["empty", "NaN", "no object", "no UTF-8", "nested", "infinite"],
)
def test_what_is_no_json_is_one_line(run_copy: Path, data: bytes, reason: str) -> None:
    (run_copy / "energy.json").write_bytes(data)
    assert_one_line(cli("report", run_copy), "energy.json", reason)


@pytest.mark.parametrize("name", ["net.nir", "model.safetensors", "vectors.npz"])
@pytest.mark.parametrize("data", [b"", b"hello, this is a letter", b"\x89HDF\r\n\x1a\n", b"PK\x03\x04"])
def test_a_damaged_binary_is_one_line(run_copy: Path, name: str, data: bytes) -> None:
    (run_copy / name).write_bytes(data)
    assert_one_line(cli("report", run_copy), name)


def test_wrong_folders_and_flags_are_one_line(made_run: Path, tmp_path: Path) -> None:
    assert_one_line(cli("report", tmp_path / "none"), "does not exist", "give the folder")
    assert_one_line(cli("report", made_run / "net.nir"), "is a file")
    assert_one_line(cli("report", tmp_path), "holds none of model.safetensors")
    assert_one_line(cli("report", made_run, "--figures", "gif"), "figures 'gif' is unknown; use one of png, svg")
    assert_one_line(cli("report", made_run, "--out", tmp_path / "page.txt"), "does not end in .html")
    assert_one_line(cli("report", made_run, "--out", tmp_path / "none" / "page.html"), "does not exist")


def places(value: Any, where: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place of a JSON value, the first two of every list only."""
    yield where
    if isinstance(value, dict):
        for key, one in value.items():
            yield from places(one, (*where, key))
    elif isinstance(value, list):
        for number, one in enumerate(value[:2]):
            yield from places(one, (*where, number))


ANYTHING: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 3, 10**400, -0.5, 1e300, "", "<b>", "x" * 100, [], {}, [[]], {"": {}}, [None], [1.5, 2],
)  # fmt: skip


@pytest.mark.parametrize("name", sorted(RESULTS))
def test_no_value_in_a_result_breaks_the_report(made_run: Path, tmp_path: Path, name: str) -> None:
    text = (made_run / name).read_text()
    chosen = random.Random(name)
    every = [place for place in places(json.loads(text)) if place]
    for _ in range(60):
        changed = owner = json.loads(text)
        *above, last = chosen.choice(every)
        for step in above:
            owner = owner[step]
        owner[last] = chosen.choice(ANYTHING)
        (tmp_path / name).write_text(json.dumps(changed))
        with suppress(InputError):
            whole_page(read_run(tmp_path))
