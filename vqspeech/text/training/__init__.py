"""Training of models that translate."""
