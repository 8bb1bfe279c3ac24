"""Mapping of integer networks onto cores: lowering, memory model, tiles, placement, time. Pure: a network and a chip in, a Mapping out."""
