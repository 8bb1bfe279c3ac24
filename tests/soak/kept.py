"""What went wrong, as files: network, input and what happened, in a folder of its own."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from qif_export.nir.write import write_nir
from tests.soak.cases import Case
from tests.soak.outcome import Outcome


def keep(outcome: Outcome, case: Case, failures: Path) -> Path:
    """Write network, input and what happened into a folder of their own."""
    folder = failures / f"seed{case.seed}-{case.number}-{outcome.way}"
    folder.mkdir(parents=True, exist_ok=True)
    write_nir(case.graph, folder / "net.nir")
    np.savez(folder / "input.npz", **case.inputs)
    again = f"python -m tests.soak --seed {case.seed} --only {case.number} --backend {outcome.way}"
    (folder / "what.json").write_text(json.dumps(outcome.as_json() | {"again": again}, indent=2), encoding="utf-8")
    return folder
