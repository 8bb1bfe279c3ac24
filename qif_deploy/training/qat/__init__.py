"""Quantisation-aware training: the forward pass is the integer network itself."""
