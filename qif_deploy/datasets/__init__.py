"""Data sets as integer codes, NumPy only."""
