"""Tables of the documents, for tests that hold them against the code."""

from __future__ import annotations

import re
from pathlib import Path

DOCS = Path(__file__).resolve().parents[1] / "docs"


def table(document: str, first_column: str) -> list[dict[str, str]]:
    """Rows of the one table of ``document`` whose header starts with ``first_column``."""
    lines = (DOCS / document).read_text().splitlines()
    (start,) = [n for n, line in enumerate(lines) if re.match(rf"\| {first_column} \|", line)]
    header = [cell.strip() for cell in lines[start].strip("|").split("|")]
    rows = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        rows.append(dict(zip(header, (cell.strip().replace("`", "") for cell in line.strip("|").split("|")), strict=True)))
    return rows
