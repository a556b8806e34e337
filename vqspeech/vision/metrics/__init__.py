"""Measures and scores of images and video: bits a dimension, reconstructions, prediction, controllability, pictures."""
