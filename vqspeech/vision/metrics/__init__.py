"""What is measured on images: bits a dimension, reconstructions, pictures."""
