"""Executing a network: float, NumPy reference, batched engine; all integer backends return the same Trace."""
