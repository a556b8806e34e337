"""Training models of images: what the trainer is given, and what is measured on held-out images."""
