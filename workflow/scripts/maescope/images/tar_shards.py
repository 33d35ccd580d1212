"""Pictures in WebDataset's tars, each found by where it begins: shards are walked through once, and read in place."""

import json
import logging
import tarfile
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import NamedTuple

from maescope.base.errors import InputError
from maescope.images.reading import SUFFIXES, UNREAD

log = logging.getLogger(__name__)

PACKED = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"\x28\xb5\x2f\xfd": "zstd"}
BLOCK = 512  # bytes of a header, and of what ends a tar
PADDING = 2**20  # bytes of zeros that are looked at behind the end; most writers put fewer than 10 kB there
LABELS = ("label", "cls")  # keys of a .json that tell a label
PICTURES = SUFFIXES | UNREAD
LARGEST = 2**20  # bytes of a .cls or .json; more is something else


class Member(NamedTuple):
    """A picture in a shard; no label where nothing beside it tells one."""

    name: str
    start: int
    length: int
    label: int | str | None


def members(key: str, path: str, label: str | None = None) -> Iterator[Member]:
    """The pictures of a shard with what is beside each: files whose names are the same up to the first dot.

    Parameters
    ----------
    key : of the configuration, for messages
    label : key of the .json that tells the label, and .cls do not, unless that is its name

    Raises
    ------
    InputError
        naming a shard that is compressed, cut off, several or no tar, two pictures of one key, one that is a link or
        called otherwise, or a label that cannot be read
    """
    _require_plain(key, path)
    pictures, labels, dotted = {}, {}, {}
    try:
        with tarfile.open(path, "r:") as archive:
            while (member := archive.next()) is not None:
                archive.members.clear()  # else it keeps all, of tars of millions as well
                if not member.isdir():
                    _take(key, path, archive, member, label, pictures, labels, dotted)
            _require_end(key, path, archive)
    except tarfile.TarError as error:
        raise InputError(f"{key}: {path}: is no tar, or is cut off ({error}); fetch it again") from error
    for place in dotted.keys() - pictures.keys():  # else they go with a picture, as masks do
        raise InputError(
            f"{key}: {path}: {dotted[place]}: has more than one dot, and what is behind the first is not an ending of "
            "pictures; write the shard anew, with one dot in the names of pictures"
        )
    if lonely := sorted(labels.keys() - pictures.keys()):
        log.warning(
            "%s: %s: %d labels have no picture beside them, the first is of %s", key, path, len(lonely), lonely[0]
        )
    for place, member in pictures.items():
        yield member._replace(label=labels.get(place))


def _require_plain(key: str, path: str) -> None:
    with open(path, "rb") as shard:
        begins = shard.read(6)
    packed = next((kind for magic, kind in PACKED.items() if begins.startswith(magic)), None)
    if packed:
        raise InputError(
            f"{key}: {path}: is compressed ({packed}), so no picture in it can be read by its place; unpack it to a "
            ".tar, which is hardly larger, as pictures are compressed already"
        )


def _require_end(key: str, path: str, archive: tarfile.TarFile) -> None:
    """A tar ends with blocks of zeros: tarfile takes a cut between two members, or a broken header, for an end."""
    archive.fileobj.seek(archive.offset)
    behind = archive.fileobj.read(PADDING)
    if behind[:BLOCK] != bytes(BLOCK):
        raise InputError(
            f"{key}: {path}: is cut off or broken at byte {archive.offset}: neither a member nor the end is there; "
            "fetch it again"
        )
    zeros = (len(behind) - len(behind.lstrip(b"\0"))) // BLOCK * BLOCK
    if behind[zeros:][257:262] == b"ustar":
        raise InputError(
            f"{key}: {path}: has another tar behind its end, at byte {archive.offset + zeros}, as `cat` joins them; "
            "give the tars themselves, or join them with `tar --concatenate`"
        )


def _take(
    key: str, path: str, archive, member: tarfile.TarInfo, label: str | None, pictures: dict, labels: dict, dotted: dict
) -> None:
    """Note a member that is a picture, tells a label, or looks like a picture whose name has more dots."""
    name = member.name.removeprefix("./")
    place = PurePosixPath(name)
    base, _, ending = place.name.partition(".")
    if not base:  # hidden, as of macOS
        return
    place, ending = str(place.with_name(base)), f".{ending.lower()}"
    told = (".json",) if label not in (None, "cls") else (".json", ".cls")
    if ending in told or ending in PICTURES:
        _require_content(key, path, member)
    if ending in PICTURES:
        if place in pictures:
            raise InputError(
                f"{key}: {path}: {pictures[place].name} and {name} have one key, {place}; give each picture a name of "
                "its own up to the first dot"
            )
        pictures[place] = Member(name, member.offset_data, member.size, None)
    elif ending in told and member.size <= LARGEST:
        said = _label(f"{key}: {path}: {name}", ending, archive.extractfile(member).read(), label)
        if ending == ".cls" or place not in labels:
            labels[place] = said
    elif PurePosixPath(ending).suffix in PICTURES:
        dotted.setdefault(place, name)


def _require_content(key: str, path: str, member: tarfile.TarInfo) -> None:
    """What is a link has no bytes where it stands."""
    if not member.isreg():
        raise InputError(
            f"{key}: {path}: {member.name}: is no file but a link to {member.linkname!r}; pack the tar anew with "
            "--dereference --hard-dereference"
        )


def _label(where: str, ending: str, content: bytes, label: str | None) -> int | str | None:
    """What a .cls or a .json says."""
    try:
        text = content.decode()
        if ending == ".cls":
            return text.strip() or None
        told = json.loads(text)
    except ValueError as error:  # no UTF-8, no JSON
        raise InputError(f"{where}: cannot be read ({error}); write the shard anew") from None
    found = [told[name] for name in ([label] if label else LABELS) if isinstance(told, dict) and name in told]
    if found and (isinstance(found[0], bool) or not isinstance(found[0], int | str | None)):
        raise InputError(
            f"{where}: the label is {found[0]!r}, neither a number nor a name; name another as columns.label"
        )
    return found[0] if found else None
