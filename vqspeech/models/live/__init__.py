"""The live model: each stage takes a block of 20 ms and its state, and returns its output and its next state.

A state is one tensor of fixed shape, zero at the beginning, so memory does not grow. A file is converted as a stream,
so the result is that of a stream.
"""

BLOCK = 320
"""Samples that come in and go out at once (20 ms), one latent of the encoder."""
