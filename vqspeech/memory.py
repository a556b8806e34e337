"""How the C library hands out memory to large tensors.

glibc gives every block above 32 MB back to the kernel when it is freed, so each training step maps and faults in its
activations again. With several threads the faults queue for one lock: measured on two cores, a step of a small WaveNet
took ten times as long as with freed memory kept.
"""

import ctypes
import sys

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4  # malloc.h


def keep_freed_memory() -> bool:
    """Lets this process keep the memory it frees, for the next tensor; true where that could be arranged (glibc)."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except AttributeError:  # another C library
        return False
    return bool(mallopt(_MMAP_MAX, 0) and mallopt(_TRIM_THRESHOLD, -1) and mallopt(_TOP_PAD, 1 << 26))
