"""The range proof: what every quantity can reach, before anything runs, beside what real data reached."""

from __future__ import annotations

from qif_deploy.analysis.check_network import CheckReport
from qif_deploy.reporting.blocks import Block, Paragraph, Section, Status, Table, absent
from qif_deploy.reporting.run_files import NETWORK, RunFiles

KEY, TITLE = "ranges", "Range proof"

STATUSES = {"ok": Status.HOLDS, "warn": Status.LOOK, "fail": Status.FAILS}
WORDS = {
    "ok": "every quantity is proven to fit",
    "warn": "proven to fit, with a warning",
    "fail": "not proven: something may leave its limit",
}
MEANINGS = {"fits": "fits", "harmless": "may saturate, changes no spike", "fails": "may leave its limit"}


def ranges_section(run: RunFiles) -> Section:
    """Return intervals, bits and verdict of every quantity, and every finding with its remedy."""
    proof = run.proof
    if proof is None or run.network is None:
        return absent(KEY, TITLE, missing=NETWORK, command=run.command("quantize"))
    covered = "any number of steps" if proof.steps is None else f"up to {proof.steps} steps"
    f = run.network.number_format
    text = (
        f"Proven for {covered}, whatever the input within its code range. Limits of {f.name}: {f.product_bits} bits for acc, i, c2m r and "
        f"h r; {f.state_bits} bits for h, u and r; 64 bits for sum. Bits are signed, of the widest channel."
    )
    blocks: list[Block] = [Paragraph(text=text)]
    if proof.ranges:
        blocks.append(_interval_table(proof))
    if proof.findings:
        blocks.append(_finding_table(proof))
    return Section(key=KEY, title=TITLE, status=STATUSES[proof.verdict], verdict=WORDS[proof.verdict], blocks=tuple(blocks))


def _interval_table(proof: CheckReport) -> Table:
    rows = []
    for name, quantities in proof.ranges.items():
        for quantity, (low, high, bits, verdict) in quantities.items():
            reached = proof.observed.get(name, {}).get(quantity)
            gap = proof.gap_bits.get(name, {}).get(quantity)
            seen = ("", "") if reached is None else (f"{reached[0]:,}", f"{reached[1]:,}")
            left = "" if gap is None else f"{gap:.1f}"
            told = (f"{low:,}", f"{high:,}", str(bits), MEANINGS.get(verdict, verdict))
            rows.append((f"{name} {quantity}", *told, *((*seen, left) if proof.observed else ())))
    columns = ["quantity", "lowest", "highest", "bits", "verdict"]
    caption = "Intervals over all channels, codes"
    if proof.observed:
        columns += ["lowest reached", "highest reached", "bits to spare"]
        caption += f"; reached on {proof.observed_on}"
    return Table(caption=caption, columns=tuple(columns), rows=tuple(rows), numeric=frozenset({1, 2, 3, 5, 6, 7}))


def _finding_table(proof: CheckReport) -> Table:
    rows = tuple(
        (
            finding.object,
            finding.severity.value,
            finding.rule,
            "" if finding.value is None else str(finding.value),
            "" if finding.limit is None else str(finding.limit),
            finding.remedy,
        )
        for finding in proof.findings
    )
    columns = ("object", "severity", "rule", "value", "limit", "what it means and what to do")
    return Table(caption="Findings", columns=columns, rows=rows)
