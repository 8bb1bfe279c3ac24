"""How tables and numbers look."""

from __future__ import annotations

from rich.table import Table

from qif_deploy.wording import joules, percent


def new_table(columns: tuple[str, ...], title: str) -> Table:
    """Return an empty table; without any column name it shows no header."""
    table = Table(title=title, title_justify="left", show_header=any(columns))
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


__all__ = ["joules", "new_table", "percent"]
