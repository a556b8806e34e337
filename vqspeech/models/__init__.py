"""The models: front ends, encoder, codebooks, decoders, and the VQ-VAE made of them."""
