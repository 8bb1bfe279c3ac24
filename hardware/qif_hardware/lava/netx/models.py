"""The model of the whole network: lava-dl's, for the class of ours, since Lava looks models up by the exact class."""

from __future__ import annotations

from typing import Any

from lava.magma.core.decorator import implements
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

from qif_hardware.lava._netx import AbstractPyBlockModel
from qif_hardware.lava.netx.network import QIFNetwork


@implements(proc=QIFNetwork, protocol=LoihiProtocol)
class PyQIFNetworkModel(AbstractPyBlockModel):  # type: ignore[misc]  # lava-dl ships no types
    """Made of the models of its blocks."""

    def __init__(self, proc: Any) -> None:
        super().__init__(proc)
