"""What a process has beforehand that forks: modules, which are no garbage, and the code of the library."""

import _imp
import gc
import importlib
import marshal
from collections.abc import Iterable
from importlib.machinery import SourceFileLoader
from pathlib import Path

LIBRARY = Path(__file__).parents[1] / "workflow/scripts/maescope"


def imported(names: Iterable[str]) -> None:
    """Import modules and put aside all that there is then: forks do not copy it to look for garbage."""
    gc.disable()
    for name in names:
        importlib.import_module(name)
    gc.freeze()
    gc.enable()


def compiled() -> None:
    """Compile the library: a copy of a file need not be, wherever it lies, as if there were a .pyc beside it."""
    known = {
        text: marshal.dumps(compile(text, "", "exec")) for text in (path.read_bytes() for path in LIBRARY.rglob("*.py"))
    }
    real = SourceFileLoader.source_to_code

    def code(self, data, path, **options):
        if bytes(data) not in known:
            return real(self, data, path, **options)
        own = marshal.loads(known[bytes(data)])
        _imp._fix_co_filename(own, path)
        return own

    SourceFileLoader.source_to_code = code
