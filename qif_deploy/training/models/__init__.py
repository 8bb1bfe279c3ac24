"""Network architectures by name: ``registry.model_spec`` builds a NetworkSpec, ``registry.MODELS`` lists them; one family a file."""
