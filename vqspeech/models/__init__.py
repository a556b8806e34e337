"""Models of speech: front ends, encoders, codebooks, decoders, the VQ-VAE made of them, and priors over its codes."""
