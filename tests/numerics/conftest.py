"""Exhaustive arithmetic runs untraced: it takes the same few lines millions of times, and tracing costs a third more. What it shows is
in its comparisons; that every branch of the arithmetic is taken at all, ``tests/core`` shows under coverage."""

from __future__ import annotations

from pathlib import Path

import pytest

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker("no_cover")
