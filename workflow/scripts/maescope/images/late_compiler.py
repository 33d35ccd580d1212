"""Import timm and torchvision without torch's compiler, `torch._dynamo`, until someone asks for it.

Both import it for one function and one decorator: two fifths of what a job on a CPU needs to start (docs/scale.md), and
nothing here compiles. Whoever compiles gets the real one, then.
"""

import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType

import torch

NAMES = ("torch._dynamo", "torch._dynamo.utils")


class _Later(ModuleType):
    """Stands in for a module while others are imported; what it does not know is the real one's, imported then."""

    def __getattr__(self, name: str):
        if name.startswith("__") and (self.__name__, name) != (NAMES[0], "__path__"):  # `inspect` asks every module
            raise AttributeError(name)
        _remove()
        return getattr(importlib.import_module(self.__name__), name)


def _remove() -> None:
    for name in NAMES:
        if isinstance(sys.modules.get(name), _Later):
            del sys.modules[name]


def _disable(function: Callable | None = None, recursive: bool = True, **_) -> Callable:
    """`torch.compiler.disable`, as torch itself decorates: the compiler is imported at the first call."""
    return torch._disable_dynamo(function, recursive)


def _is_compile_supported(device_type: str) -> bool:
    return importlib.import_module(NAMES[1]).is_compile_supported(device_type)


@contextmanager
def late_compiler() -> Iterator[None]:
    """Put the compiler off for what is imported meanwhile."""
    if NAMES[0] not in sys.modules:
        sys.modules.update({name: _Later(name) for name in NAMES})
        sys.modules[NAMES[0]].disable = _disable
        sys.modules[NAMES[1]].is_compile_supported = _is_compile_supported
    try:
        yield
    finally:
        _remove()
