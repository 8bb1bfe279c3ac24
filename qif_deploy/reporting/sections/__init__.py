"""The sections of the report, one per file: a run folder in, a section out."""
