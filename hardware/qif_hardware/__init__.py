"""Targets and the Lava backend: what runs, or is checked, on neuromorphic hardware and its simulators.

A second distribution may add modules to ``qif_hardware.lava.qif``: see ``qif_hardware.lava.silicon``.
"""

from pkgutil import extend_path

__path__ = extend_path(__path__, __name__)
