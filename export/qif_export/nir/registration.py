"""Our node types for the stock reader of the nir package, for those who ask for it.

Importing this project registers nothing: two importers that meet a registered node which they do not know leave it out without a word,
while an unregistered one stops them. After ``register_qif()`` ``nir.read`` returns graphs with QIF, QIFInput and QIFReadout nodes, and
``nir.write`` writes them back.
"""

from __future__ import annotations

from qif_export.nir import nodes as own
from qif_export.nir._nir import nir

OWN = (own.QIF, own.QIFInput, own.QIFReadout)


def register_qif() -> None:
    """Make the stock reader know our node types, in this process; doing so again changes nothing.

    It asks by name among the attributes of ``nir.ir`` and a private set of names (1.0.7 and 1.0.8).
    """
    known = vars(nir.ir).get("__all_ir")
    for kind in OWN:
        setattr(nir.ir, kind.__name__, kind)
        if isinstance(known, set):
            known.add(kind.__name__)
        elif isinstance(known, list) and kind.__name__ not in known:
            known.append(kind.__name__)


def unregister_qif() -> None:
    """Take the types away again."""
    known = vars(nir.ir).get("__all_ir")
    for kind in OWN:
        if hasattr(nir.ir, kind.__name__):
            delattr(nir.ir, kind.__name__)
        if isinstance(known, set | list) and kind.__name__ in known:
            known.remove(kind.__name__)


__all__ = ["register_qif", "unregister_qif"]
