"""What a section of the report is made of, as data; ``page`` turns it into HTML."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from qif_deploy.plots.charts import Chart


class Status(enum.Enum):
    """What a section says of the run. FACT takes no side; ABSENT has no file to speak from."""

    HOLDS = "holds"
    LOOK = "worth a look"
    FAILS = "does not hold"
    FACT = "info"
    ABSENT = "not made"

    @property
    def sign(self) -> str:
        """A sign beside the word, so that colour is never all that tells."""
        return SIGNS[self]


SIGNS = {Status.HOLDS: "✓", Status.LOOK: "!", Status.FAILS: "✗", Status.FACT: "i", Status.ABSENT: "-"}


PROSE = 30
"""Characters from which a cell is running text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Paragraph:
    """Running text."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command to type, and what it does."""

    text: str
    line: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Names and values, one under the other."""

    title: str
    rows: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows of texts under column heads; the first column names the row, ``numeric`` columns are aligned to the right.

    ``folded``: shown when asked for.
    """

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: frozenset[int] = frozenset()
    folded: bool = False

    @property
    def prose(self) -> frozenset[int]:
        """Columns of running text, which need room."""
        return frozenset(n for n in range(1, len(self.columns)) if any(" " in row[n] and len(row[n]) > PROSE for row in self.rows))


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One chart of a gallery: ``key`` names its file, ``summary`` says in words what it shows, ``table`` holds its numbers."""

    key: str
    label: str
    chart: Chart
    summary: str
    table: Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Gallery:
    """Charts of one kind, of which the reader chooses one by its label."""

    key: str
    title: str
    choice: str
    views: tuple[View, ...]


Block = Paragraph | Command | Facts | Table | Gallery


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A section of the page; ``key`` is its address on it, ``verdict`` one line for the summary."""

    key: str
    title: str
    status: Status
    verdict: str
    blocks: tuple[Block, ...]

    @property
    def galleries(self) -> tuple[Gallery, ...]:
        """Galleries of the section in order."""
        return tuple(block for block in self.blocks if isinstance(block, Gallery))


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFigure:
    """One number of the summary with what it is."""

    label: str
    value: str
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """The whole report."""

    title: str
    lead: str
    figures: tuple[KeyFigure, ...]
    sections: tuple[Section, ...]

    @property
    def status(self) -> Status:
        """The worst of the sections."""
        found = {section.status for section in self.sections}
        return next((status for status in (Status.FAILS, Status.LOOK, Status.HOLDS) if status in found), Status.FACT)


def absent(key: str, title: str, *, missing: str, command: str) -> Section:
    """Return the section of a file that is not there: it says which command makes it."""
    return Section(
        key=key,
        title=title,
        status=Status.ABSENT,
        verdict=f"no {missing} in the run folder",
        blocks=(Command(text=f"The run folder holds no {missing}. This command makes it:", line=command),),
    )
