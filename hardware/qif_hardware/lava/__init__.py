"""The Lava backend: QuantizedGraph -> LavaPlan (NumPy) -> Lava processes, run in a fresh interpreter -> Trace.

Importing this package does not import Lava; only the worker process does.
"""

from pkgutil import extend_path

__path__ = extend_path(__path__, __name__)
