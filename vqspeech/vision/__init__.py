"""Images and video, on the same layers as speech.

This package uses `models.quantize`, `training` and `metrics` of speech. Nothing of speech imports it, except the study
that compares quantisers on images.
"""
