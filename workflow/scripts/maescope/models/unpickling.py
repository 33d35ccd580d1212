"""Tensors out of a pickle, of which nothing is executed: of the usual objects beside them nothing is made either."""

import mmap
import pickle
import pickletools
import re
import zipfile
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections import OrderedDict
from collections.abc import Iterable

import torch

BESIDE = ("argparse.Namespace", "types.SimpleNamespace", "numpy.dtype", "numpy.ndarray", "datetime.datetime")
BESIDE += tuple(f"numpy.{core}.multiarray.{what}" for core in ("core", "_core") for what in ("scalar", "_reconstruct"))
BESIDE += tuple(
    f"{module}.{pure}{system}Path"
    for module in ("pathlib", "pathlib._local")
    for pure in ("", "Pure")
    for system in ("Posix", "Windows")
)
PLAIN = re.compile(  # options and records of what trainings use; no function, and no class of one's own
    r"builtins\.(dict|list|tuple|set|frozenset|str|int|float|bool|bytes|object|slice|range|Ellipsis)"
    r"|collections\.(defaultdict|deque|ChainMap)|datetime\.\w+|decimal\.Decimal|uuid\.UUID|typing\.\w+"
    r"|numpy\.dtypes\.\w+DType|torch\.torch_version\.TorchVersion"
    r"|(omegaconf|yacs|fvcore|mmengine|mmcv|mmcls|mmpretrain|addict|easydict|ml_collections|box|attrdict|lightning"
    r"|lightning_fabric|lightning_utilities|pytorch_lightning)\.[\w.]+"
)
BEFORE_STORAGES = 4  # pickles of such a file: a magic number, the version, the system, and what was saved
MAPPING = re.compile(r"\.(CfgNode|ConfigDict|AttributeDict|AttrDict|EasyDict|Dict|Box|defaultdict|ChainMap)$")


class Aside:
    """What stands for an object beside the tensors of a pickle: it takes what that is given, and does nothing."""

    def __new__(cls, *_, **__) -> "Aside":
        return super().__new__(cls)

    def __init__(self, *_, **__):
        pass

    def __setstate__(self, _) -> None:
        pass


class Entries(OrderedDict):
    """What stands for a class of mappings: torch fills none but its own kinds, so what is made of it is one of them."""

    def __new__(cls, *_, **__) -> OrderedDict:
        return OrderedDict()


class Items(list):
    """What stands for a class of lists, likewise."""

    def __new__(cls, *_, **__) -> list:
        return []


def load(path: str) -> object:
    """What a `.pth` holds, on the CPU.

    Raises
    ------
    pickle.UnpicklingError
        naming the first thing in it that is neither a tensor nor one of the usual objects
    """
    try:
        return _load(path, BESIDE)
    except pickle.UnpicklingError:
        zipped = zipfile.is_zipfile(path)
        found = torch.serialization.get_unsafe_globals_in_checkpoint(path) if zipped else _named(path)
        others = {name for name in found if PLAIN.fullmatch(name)}.difference(BESIDE)
        if not others:
            raise
    return _load(path, (*BESIDE, *others))


def _named(path: str) -> set[str]:
    """The classes and functions that a file of torch before 1.6 names, read off its pickles without any being made.

    None where these are not whole; torch then says so.
    """
    names = set()
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        try:
            for _ in range(BEFORE_STORAGES):
                instructions = pickletools.genops(content)  # which stop at the end of a pickle
                names |= {_today(*name.split(" ", 1)) for code, name, _ in instructions if code.name == "GLOBAL"}
        except ValueError:
            return set()
    return names


def _today(module: str, name: str) -> str:
    """What Python 3 calls what a pickle names as Python 2 did, which torch's do."""
    return ".".join(NAME_MAPPING.get((module, name), (IMPORT_MAPPING.get(module, module), name)))


def _load(path: str, names: Iterable[str]) -> object:
    with torch.serialization.safe_globals([(_stands_for(name), name) for name in names]):
        return torch.load(path, map_location="cpu", weights_only=True)


def _stands_for(name: str) -> type:
    if name == "collections.deque":
        return Items
    return Entries if MAPPING.search(name) else Aside
