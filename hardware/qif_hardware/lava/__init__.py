"""The Lava backend: QuantizedGraph -> LavaPlan (NumPy) -> Lava processes, run in a fresh interpreter -> Trace.

Importing this package does not import Lava; only the worker process does.
"""
