"""Analyses: they return data and change nothing."""
