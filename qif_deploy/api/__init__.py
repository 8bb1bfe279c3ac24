"""The composition root: the one place of the core that knows exporters and hardware."""
