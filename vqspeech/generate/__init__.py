"""Autoregressive sampling from a WaveNet: the packed weights of one step, and engines that run it.

`generate(cell, conditioning, uniforms)` is the one interface. Its result is a function of the uniforms, so that all
engines can be compared on the same samples.
"""

from vqspeech.generate.cell import Cell
from vqspeech.generate.conditioning import ProjectedConditioning
from vqspeech.generate.engines import ENGINES, choose_engine, choose_piece_length, compute_logits, generate

__all__ = [
    "ENGINES",
    "Cell",
    "ProjectedConditioning",
    "choose_engine",
    "choose_piece_length",
    "compute_logits",
    "generate",
]
