"""Models of images: encoder, decoder, likelihoods; VAE, VQ-VAE and VIMCO made of them."""
