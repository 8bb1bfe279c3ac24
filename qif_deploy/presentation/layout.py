"""How tables and numbers look."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table

from qif_deploy.wording import joules, percent

WIDTH = 80
"""Columns of a terminal that every table is made for."""


def new_table(columns: tuple[str, ...], title: str, *, numbers: Collection[str] = ()) -> Table:
    """Return an empty table; without any column name it shows no header. Columns named in ``numbers`` end at the right.

    The box has no vertical lines: on 80 columns they would cost every third character of a table of numbers.
    """
    table = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        show_header=any(columns),
        box=SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        padding=(0, 1, 0, 0),
        min_width=min(len(title), WIDTH),  # a title would be broken at the width of its table
    )
    for column in columns:
        table.add_column(column, overflow="fold", justify="right" if column in numbers else "left")
    return table


def stacked(parts: Iterable[RenderableType]) -> RenderableType:
    """Return tables and lines below each other, with an empty line before and behind a table."""
    shown: list[RenderableType] = []
    after_table = False
    for part in parts:
        is_table = isinstance(part, Table)
        if shown and (is_table or after_table):
            shown.append("")
        shown.append(part)
        after_table = is_table
    return Group(*shown)


def shape(axes: Iterable[int]) -> str:
    """Return a shape as people write it."""
    return " x ".join(map(str, axes))


def counted(number: int, thing: str) -> str:
    """Return a number with its noun, in the plural where there are several."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


__all__ = ["counted", "joules", "new_table", "percent", "shape", "stacked"]
