"""The batched engine: the reference's own lines over torch tensors, sums in floats only where the proof shows them exact."""
