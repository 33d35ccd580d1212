"""What can be mended by whoever reads the message, and what can not."""

import errno

LACKING = {errno.ENOMEM, errno.EMFILE, errno.ENFILE}  # of the system's errors: memory, open files


class InputError(Exception):
    """Something given to maescope cannot be used. The message names the file, the key and the remedy."""


class StaleError(InputError):
    """A file is whole, but was made with other settings than the configuration has now."""


def is_lacking(error: BaseException) -> bool:
    """Whether a machine lacks memory or open files, which is no fault of the file that was read."""
    return isinstance(error, MemoryError) or getattr(error, "errno", None) in LACKING or "out of memory" in str(error)
