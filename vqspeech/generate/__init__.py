"""Autoregressive sampling: the packed weights of one step, and engines that run it.

`generate(cell, conditioning, uniforms)` is the one interface; given uniforms make it a function, so that every engine
can be held against the same samples.
"""

from vqspeech.generate.cached import generate
from vqspeech.generate.cell import Cell

__all__ = ["Cell", "generate"]
