"""Make one page of everything that a run folder holds."""

from __future__ import annotations

import enum
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qif_deploy.api.files import destination, make_folder
from qif_deploy.atomic import atomic_path, write_text
from qif_deploy.reporting.blocks import Page, Section, Status
from qif_deploy.reporting.run_files import read_run
from qif_deploy.reporting.whole_page import whole_page
from qif_deploy.suggestion import require_member

VERDICTS = {Status.FAILS: "fail", Status.LOOK: "warn", Status.HOLDS: "ok", Status.FACT: "ok", Status.ABSENT: "ok"}


class FigureFormat(enum.Enum):
    """File format of figures for papers."""

    PNG = "png"
    SVG = "svg"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportOutcome:
    """The written page, what its sections say, and the figures where they were asked for."""

    path: Path
    size: int
    sections: tuple[Section, ...]
    verdict: str
    figures: tuple[Path, ...]
    seconds: float

    @property
    def holds(self) -> bool:
        """Whether no section fails; what is missing is no failure."""
        return self.verdict != "fail"

    def as_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "verdict": self.verdict,
            "sections": {s.key: {"status": s.status.name.lower(), "verdict": s.verdict} for s in self.sections},
            "artefacts": {"report": str(self.path)} | {path.stem: str(path) for path in self.figures},
            "bytes": self.size,
            "seconds": self.seconds,
        }


def report(run: Path, *, out: Path | None = None, figures: FigureFormat | None = None) -> ReportOutcome:
    """Write ``report.html`` from the files of a run folder; nothing is trained or run again but one sample of the vectors.

    Args:
        run: folder with any of the files that the other verbs write under their default names.
        out: the page; None for ``report.html`` in the folder.
        figures: also draw every chart for papers, into the folder ``figures`` beside the page.

    Raises:
        InputError: no such folder, nothing in it, a damaged file, or files of different networks.
        MissingDependencyError: plotly, jinja2 or matplotlib is not installed.
    """
    from qif_deploy.reporting.html import render

    start = time.perf_counter()
    if figures is not None:
        require_member("figures", figures, FigureFormat)
    folder = Path(run)
    files = read_run(folder)
    path = destination(out, default=folder / "report.html")
    page = whole_page(files)
    text = render(page)
    drawn = () if figures is None else _draw(page, make_folder(path.parent / "figures"), figures)
    write_text(path, text)
    return ReportOutcome(
        path=path,
        size=len(text.encode()),
        sections=page.sections,
        verdict=VERDICTS[page.status],
        figures=drawn,
        seconds=time.perf_counter() - start,
    )


def require_report() -> None:
    """Raise MissingDependencyError where the page cannot be made; asked before a long run that ends with it."""
    import qif_deploy.reporting.html  # noqa: F401  # it imports what the page needs


def _draw(page: Page, folder: Path, kind: FigureFormat) -> tuple[Path, ...]:
    """Write every chart as a figure for papers; each appears whole or not at all."""
    from qif_deploy.plots.paper_figures import paper_figure

    paths = []
    for section in page.sections:
        for gallery in section.galleries:
            for number, view in enumerate(gallery.views):
                path = folder / f"{gallery.key}-{number}.{kind.value}"
                with atomic_path(path) as temporary:
                    metadata = {"Date": None} if kind is FigureFormat.SVG else None
                    paper_figure(view.chart).savefig(temporary, format=kind.value, dpi=300, metadata=metadata)
                paths.append(path)
    return tuple(paths)
