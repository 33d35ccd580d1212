"""What a process imports that forks: it is no garbage, so forks do not copy it to look for some, nor do its imports."""

import gc
import importlib
from collections.abc import Iterable


def imported(names: Iterable[str]) -> None:
    """Import modules and put aside all that there is then."""
    gc.disable()
    for name in names:
        importlib.import_module(name)
    gc.freeze()
    gc.enable()
