"""Training of models of images and of priors over their codes."""
