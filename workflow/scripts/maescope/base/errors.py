"""What can be mended by whoever reads the message."""


class InputError(Exception):
    """Something given to maescope cannot be used. The message names the file, the key and the remedy."""


class StaleError(InputError):
    """A file is whole, but was made with other settings than the configuration has now."""
