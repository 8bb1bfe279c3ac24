"""Tables in the documents against the code."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from qif_deploy.analysis.range_proof import prove_ranges
from qif_deploy.fixedpoint import RoundingMode, rshift
from qif_deploy.neuron.constants import CODE_FIELDS
from qif_deploy.neuron.params import QIFParams
from qif_hardware.target import list_targets
from tests import document_tables
from tests.networks import chain
from tests.numerics.test_mutants import NETWORK_MUTANTS, OTHER_MUTANTS, PROOF_MUTANTS, STEP_MUTANTS

ROOT = Path(__file__).resolve().parents[2]
NUMERICS = (ROOT / "docs" / "numerics.md").read_text()


table = partial(document_tables.table, "numerics.md")


def test_the_table_of_formats_is_that_of_the_target_profiles() -> None:
    found = {t.number_format.name: t.number_format for t in list_targets()}
    rows = table("format")
    assert {row["format"] for row in rows} == set(found)
    for row in rows:
        f = found[row["format"]]
        assert [int(row[k]) for k in ("weight", "coef", "state", "product")] == [f.weight_bits, f.coef_bits, f.state_bits, f.product_bits]
        assert row["rounding"] == f.rounding.value


def test_the_table_of_rounding_modes() -> None:
    rows = table("mode")
    assert {row["mode"] for row in rows} == {mode.value for mode in RoundingMode}
    for row in rows:
        for column, value in row.items():
            if ">>" in column:
                z, n = (int(part) for part in column.split(">>"))
                assert int(rshift(np.array([z]), n, rounding=RoundingMode(row["mode"]))[0]) == int(value), (row["mode"], column)


def test_the_table_of_constructors() -> None:
    a, u1, u2, eta, decay, c0 = 0.3, -0.2, 0.7, 0.1, 0.9, 0.05
    built = {
        "from_roots": QIFParams.from_roots(a=a, u1=u1, u2=u2),
        "from_fixed_points": QIFParams.from_fixed_points(a=a, u_rest=u1, u_crit=u2),
        "from_normal_form": QIFParams.from_normal_form(a=a, eta=eta),
        "lif": QIFParams.lif(decay=decay, c0=c0),
    }
    rows = table("constructor")
    assert {row["constructor"] for row in rows} == set(built)
    values = {
        "0": 0,
        "1": 1,
        "a": a,
        "a eta": a * eta,
        "decay": decay,
        "c0": c0,
        "-a(u1 + u2)": -a * (u1 + u2),
        "1 - a(u1 + u2)": 1 - a * (u1 + u2),
        "a u1 u2": a * u1 * u2,
    }
    for row in rows:
        params = built[row["constructor"]]
        for name in ("c2", "c1", "c0"):
            np.testing.assert_allclose(
                getattr(params, name), values[row[name]], rtol=1e-15
            )  # products of the same factors in another order


def test_the_table_of_constants_names_every_field() -> None:
    named = {symbol.strip() for row in table("symbol") for symbol in row["symbol"].split(",")}
    assert named == {*CODE_FIELDS, "s1"}


def test_every_mutant_of_the_list_is_in_the_suite() -> None:
    words = {
        "rounding mode flipped": "rounding: toward zero becomes floor",
        "shift off by one": "first shift off by one",
        "> for >=": "> for >=",
        "wrap for saturate": "wrap for saturate",
        "reset before compare": "reset before compare",
    }
    suite = {*STEP_MUTANTS, *OTHER_MUTANTS, *PROOF_MUTANTS, *NETWORK_MUTANTS}
    assert [row["mutant"] for row in table("mutant") if words.get(row["mutant"], row["mutant"]) not in suite] == []


def test_every_rung_of_the_ladder_is_a_file_of_tests() -> None:
    shown = [row["shown by"] for row in table("rung")]
    assert len(shown) >= 7
    assert [path for path in shown if not (ROOT / path).is_file()] == []


def test_the_table_of_ranges_names_every_quantity_of_the_proof() -> None:
    graph = chain()
    proof = prove_ranges(graph, steps=graph.steps)
    limits = {"product": graph.number_format.product_limit, "state": graph.number_format.state_limit, "int64": 2**63 - 1}
    proven = {quantity: q.limit for node in proof.nodes.values() for quantity, q in node.ranges.items()}
    assert {row["quantity"]: limits[row["limit"]] for row in table("quantity")} == proven
