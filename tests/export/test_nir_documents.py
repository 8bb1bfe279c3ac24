"""Tables of docs/nir.md against the code."""

from __future__ import annotations

import re
from dataclasses import fields
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from qif_deploy.neuron.params import ResetMode
from qif_deploy.reading import limits
from qif_export.nir import document, hdf5
from qif_export.nir.float_write import write_float_nir
from qif_export.nir.importing import lower
from qif_export.nir.importing.conventions import RULES, Convention
from qif_export.nir.importing.importer import read_float_nir
from qif_export.nir.importing.parse import NEURONS, READ, WITHOUT_PLACE
from qif_export.nir.migrations import STEPS
from qif_export.nir.network_facts import OLDEST, SCHEMA
from qif_export.nir.nodes import QIF
from qif_export.nir.write import to_nir
from tests import document_tables
from tests.export.test_nir_float import small
from tests.networks import residual

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "nir.md").read_text()


table = partial(document_tables.table, "nir.md")


def test_every_field_of_the_node_is_described() -> None:
    own = {f.name for f in fields(QIF)} - {"input_type", "output_type", "metadata"}
    assert {row["field"] for row in table("field")} == own


@pytest.mark.parametrize("stage", ["float", "integer"])
def test_fields_are_in_the_files_that_the_table_says(stage, tmp_path) -> None:
    import h5py
    import nir

    path = tmp_path / "x.nir"
    if stage == "float":
        write_float_nir(small(u_min=-3.0), path)
        name = "q"
    else:
        nir.write(path, to_nir(residual()))
        name = "q1"
    with h5py.File(path, "r") as file:
        node = {key: item[()] for key, item in file[f"node/nodes/{name}"].items() if key != "type"}
    rows = {row["field"]: row for row in table("field") if row["in"] in ("both", stage)}
    optional = {"u_min"} if stage == "integer" else set()
    assert set(rows) - optional == set(node)
    for key, value in node.items():
        dtype = rows[key]["dtype"]
        assert ("text" in dtype) == isinstance(value, bytes), key
        if not isinstance(value, bytes):
            wanted = dtype if " or " not in dtype else {"float": "float64", "integer": "int64"}[stage]
            assert np.asarray(value).dtype.name == wanted.split()[0], key


def test_conventions() -> None:
    rows = {row["convention"]: row for row in table("convention")}
    assert list(rows) == [convention.value for convention in Convention]
    tau, r = np.array([0.004]), np.array([3.0])
    for convention, rules in RULES.items():
        row = rows[convention.value]
        dt = rules.dt
        assert float(row["dt"]) == dt
        assert row["spike"] == (">=" if rules.spike_on_equal else ">")
        assert row["reset"].split(",")[0] == rules.reset.value
        assert ("late" in row["reset"]) == rules.late_subtraction
        assert row["starts at"] == ("v_leak" if rules.starts_at_leak else "v_reset")
        here = {"dt": dt, "tau": tau, "r": r, "exp": np.exp, "x": 0.25763}  # 0.25763 exp(0.25763) = 1/3
        if convention is Convention.SNNTORCH:
            here["r"] = tau / dt
        found = rules.lif(here["tau"], here["r"], dt)
        for column, value in (("decay of LIF", found.decay), ("gain of LIF", found.gain), ("gain of IF", rules.current(here["r"], dt))):
            formula = row[column].split(",")[0]
            assert value == pytest.approx(eval(_python(formula), {"__builtins__": {}}, here), rel=1e-4), (convention, column)
    assert {rules.reset for rules in RULES.values()} == set(ResetMode)


def _python(formula: str) -> str:
    """Products are written by a blank."""
    return re.sub(r"(?<=[\w)]) (?=[\w(])", " * ", formula)


def test_types_without_a_place() -> None:
    assert {row["type"]: row["why, and what to do"] for row in table("type")} == WITHOUT_PLACE


def test_types_that_are_read() -> None:
    listed = re.search(r"Read are (.*?) and subgraphs", TEXT, re.DOTALL).group(1)
    assert set(re.findall(r"`(\w+)`", listed)) == set(READ) | set(NEURONS) - {"QIFInput", "QIFReadout"}


def test_schema_versions() -> None:
    versions = [int(row["schema"]) for row in table("schema")]
    assert versions == list(range(OLDEST, SCHEMA + 1))
    assert sorted(STEPS) == versions[:-1]


def test_limits() -> None:
    assert {row["limit"]: int(row["value"]) for row in table("limit")} == {
        "bytes in all, at least": limits.ALWAYS_READ,
        "bytes in all, times the file's size": limits.MAX_EXPANSION,
        "objects": hdf5.MAX_OBJECTS,
        "groups within groups": hdf5.MAX_DEPTH,
        "axes of an array": hdf5.MAX_RANK,
        "bytes of a text": hdf5.MAX_TEXT,
        "nodes": document.MAX_NODES,
        "edges": document.MAX_EDGES,
        "elements of a signal": lower.MAX_ELEMENTS,
        "branches into a node": lower.MAX_TERMS,
    }


def test_the_proposal_holds(tmp_path, monkeypatch) -> None:
    """Its class and its tests run against the nir package, and its file is read here."""
    import tempfile
    from dataclasses import dataclass
    from typing import Optional

    import nir
    from nir.ir.node import NIRNode

    text = (Path(__file__).resolve().parents[2] / "docs" / "nir-proposal.md").read_text()
    node_class, tests = re.findall(r"```py\n(.*?)```", text, re.DOTALL)
    names = {"np": np, "nir": nir, "pytest": pytest, "tempfile": tempfile, "dataclass": dataclass, "Optional": Optional, "NIRNode": NIRNode}
    exec(node_class, names)
    for place in (nir, nir.ir):
        monkeypatch.setattr(place, "QIF", names["QIF"], raising=False)
    monkeypatch.setitem(vars(nir.ir), "__all_ir", [*vars(nir.ir)["__all_ir"], "QIF"])
    exec(tests, names)
    names["test_qif"]()
    names["test_qif_fail"]()

    node = names["QIF"](*(np.array([value, value]) for value in (0.25, -0.5, 0.1, 1.0, 1.5)))
    ports = {"input": nir.Input(np.array([2])), "output": nir.Output(np.array([2]))}
    nir.write(tmp_path / "x.nir", nir.NIRGraph({**ports, "q": node}, [("input", "q"), ("q", "output")]))
    params = read_float_nir(tmp_path / "x.nir").graph.nodes["q"].params
    assert (params.c2[0], params.c1[0], params.c0[0], params.theta[0], params.spike_on_equal) == (0.25, 0.5, 0.1, 1.5, False)
