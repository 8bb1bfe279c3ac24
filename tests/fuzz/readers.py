"""Every reader of a file that somebody else may have written, by name."""

from __future__ import annotations

from tests.fuzz.data_readers import DATA_READERS
from tests.fuzz.network_readers import NETWORK_READERS
from tests.fuzz.result_readers import RESULT_READERS
from tests.fuzz.text_readers import TEXT_READERS

READERS = {reader.name: reader for reader in (*NETWORK_READERS, *TEXT_READERS, *DATA_READERS, *RESULT_READERS)}
"""As ``python -m tests.fuzz --reader`` takes them."""


__all__ = ["READERS"]
