"""Where freed memory goes: back to the system, or to the next array of the same size."""

import ctypes

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # of glibc's malloc.h
NEVER = -1


def keep_freed() -> None:
    """From now on, let freed arrays lie ready for the next batch, which needs as much.

    glibc gives large arrays back at once, and the kernel clears each page again when the next layer asks for it: up to
    a tenth of a forward pass of ViT-B on a CPU. Other C libraries are left alone. What is kept is some 300 MB for
    batches of 16; with the number of images it grows by pieces, and ever less (docs/scale.md). Call it once the model
    is there, or the memory of reading its weights is kept as well.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:  # macOS and musl have none
        mallopt(M_MMAP_MAX, 0)
        mallopt(M_TRIM_THRESHOLD, NEVER)
