"""What the table of ``check`` says in the cases that a healthy network does not show."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from qif_deploy.analysis.check_network import CheckReport
from qif_deploy.api.backends import BackendCheck
from qif_deploy.presentation.check import check_table
from qif_deploy.presentation.verify import verdict
from qif_deploy.simulate.compare import Comparison, Mismatch
from tests.networks import LOIHI2


def text_of(report: CheckReport) -> str:
    out = io.StringIO()
    Console(file=out, width=200).print(check_table(report, verbose=False))
    return out.getvalue()


def test_no_finding_is_said() -> None:
    shown = text_of(CheckReport(findings=(), ranges={}, resolution={}))
    assert "verdict: ok" in shown
    assert "no finding" in shown


def test_marks_are_explained_where_they_occur() -> None:
    rows = {"q1": {"u": (-9, 9, 5, "harmless"), "h": (-2, 2, 3, "fits")}}
    shown = text_of(CheckReport(findings=(), ranges=rows, resolution={}, number_format=LOIHI2, steps=4))
    assert "5 (h)" in shown
    assert "(h) harmless: u may saturate, which changes no spike" in shown
    assert "not proven" not in shown
    assert "24 bits for h, u, r" in shown
    failing = text_of(CheckReport(findings=(), ranges={"q1": {"u": (-9, 9, 5, "fails")}}, resolution={"q1": {}}))
    assert "5 !" in failing
    assert "! fails: may leave its limit, so the network is not proven" in failing
    assert "limits of" not in failing


def test_thin_evidence_is_told_by_its_reason_and_a_missing_value_has_no_bits() -> None:
    thin = Comparison(exact=None, samples=3, arrays=10, spikes=0, reason="only 3 samples, at least 32 are needed")
    assert verdict(BackendCheck(comparison=thin, seconds=0.1)) == "only 3 samples, at least 32 are needed"
    missing = Mismatch(array="q1/u", index=(0,), expected=5, found=None, reason="the array is missing")
    assert missing.bits == ()
    told = verdict(BackendCheck(comparison=Comparison(exact=False, samples=3, arrays=10, spikes=9, first_mismatch=missing), seconds=0.1))
    assert told == "DIFFERS in q1/u at (0,): None instead of 5 (the array is missing)"


@pytest.mark.parametrize(("expected", "found", "bits"), [(5, 4, (0,)), (0, -1, tuple(range(32))), (0, 2**40, (40,))])
def test_bits_that_differ_in_twos_complement(expected: int, found: int, bits: tuple[int, ...]) -> None:
    assert Mismatch(array="a", index=(0,), expected=expected, found=found, reason="r").bits == bits
