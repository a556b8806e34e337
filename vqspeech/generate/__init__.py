"""Autoregressive sampling: the packed weights of one step, and engines that run it.

`generate(cell, conditioning, uniforms)` is the one interface; given uniforms make it a function, so that every engine
can be held against the same samples.
"""

from vqspeech.generate.cell import Cell
from vqspeech.generate.conditioning import Projected
from vqspeech.generate.engines import ENGINES, chosen, generate, logits, piece

__all__ = ["ENGINES", "Cell", "Projected", "chosen", "generate", "logits", "piece"]
