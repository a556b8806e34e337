"""Evaluations of images and video: what a score computes, from models and sets of images to rows of figures."""
