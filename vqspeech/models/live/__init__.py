"""The live model: each part takes a block of 20 ms and its state, and gives what it makes of it and its next state.

A state is one tensor of fixed shape, zero at the beginning, so memory does not grow; what a file is converted to is
what a stream of it is converted to, because a file is streamed, too.
"""

BLOCK = 320
"""Samples that come in and go out at once (20 ms), one latent of the encoder."""
