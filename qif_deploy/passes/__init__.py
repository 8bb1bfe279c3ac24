"""Passes from the float graph to the integer graph, one a file."""
