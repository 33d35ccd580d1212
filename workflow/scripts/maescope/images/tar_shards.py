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
    where = f"{key}: {path}"
    _require_plain(where, path)
    found = _Found(where, label)
    try:
        with tarfile.open(path, "r:") as archive:
            while (member := archive.next()) is not None:
                archive.members.clear()  # else it keeps all, of tars of millions as well
                if not member.isdir():
                    found.take(archive, member)
            _require_end(where, archive)
    except tarfile.TarError as error:
        raise InputError(f"{where}: is no tar, or is cut off ({error}); fetch it again") from error
    return found.members()


class _Found:
    """What a shard has, by key: the name up to the first dot.

    Parameters
    ----------
    where : the shard, for messages
    label : see `members`
    """

    def __init__(self, where: str, label: str | None):
        self.where, self.label = where, label
        self.telling = (".json", ".cls") if label in (None, "cls") else (".json",)
        self.pictures, self.unread, self.dotted, self.labels = {}, {}, {}, {}

    def take(self, archive: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        """Note a member that is a picture, tells a label, or looks like a picture whose name has more dots."""
        name = member.name.removeprefix("./")
        place = PurePosixPath(name)
        base, _, ending = place.name.partition(".")
        if not base:  # hidden, as of macOS
            return
        place, ending = str(place.with_name(base)), f".{ending.lower()}"
        if ending in PICTURES or ending in self.telling:
            self._require_content(member)
        if ending in SUFFIXES:
            if place in self.pictures:
                raise InputError(
                    f"{self.where}: {self.pictures[place].name} and {name} have one key, {place}; give each picture a "
                    "name of its own up to the first dot"
                )
            self.pictures[place] = Member(name, member.offset_data, member.size, None)
        elif ending in UNREAD:
            self.unread[place] = Member(name, member.offset_data, member.size, None)
        elif ending in self.telling and member.size <= LARGEST:
            said = _label(f"{self.where}: {name}", ending, archive.extractfile(member).read(), self.label)
            if ending == ".cls" or place not in self.labels:
                self.labels[place] = said
        elif PurePosixPath(ending).suffix in PICTURES:
            self.dotted[place] = name

    def _require_content(self, member: tarfile.TarInfo) -> None:
        """What is a link has no bytes where it stands."""
        if not member.isreg():
            raise InputError(
                f"{self.where}: {member.name}: is no file but a link to {member.linkname!r}; pack the tar anew with "
                "--dereference --hard-dereference"
            )

    def members(self) -> Iterator[Member]:
        """The pictures with their labels; beside one there may be others that have more dots or cannot be opened."""
        pictures = self.unread | self.pictures
        if lost := self.dotted.keys() - pictures.keys():
            raise InputError(
                f"{self.where}: {self.dotted[min(lost)]}: has more than one dot, and what is behind the first is not "
                "an ending of pictures; write the shard anew, with one dot in the names of pictures"
            )
        if alone := self.labels.keys() - pictures.keys():
            log.warning(
                "%s: %d labels have no picture beside them, the first is of %s", self.where, len(alone), min(alone)
            )
        for place, member in pictures.items():
            yield member._replace(label=self.labels.get(place))


def _require_plain(where: str, path: str) -> None:
    with open(path, "rb") as shard:
        begins = shard.read(6)
    packed = next((kind for magic, kind in PACKED.items() if begins.startswith(magic)), None)
    if packed:
        raise InputError(
            f"{where}: is compressed ({packed}), so no picture in it can be read by its place; unpack it to a "
            ".tar, which is hardly larger, as pictures are compressed already"
        )


def _require_end(where: str, archive: tarfile.TarFile) -> None:
    """A tar ends with blocks of zeros: tarfile takes a cut between two members, or a broken header, for an end."""
    archive.fileobj.seek(archive.offset)
    behind = archive.fileobj.read(PADDING)
    if behind[:BLOCK] != bytes(BLOCK):
        raise InputError(
            f"{where}: is cut off or broken at byte {archive.offset}: neither a member nor the end is there; "
            "fetch it again"
        )
    zeros = (len(behind) - len(behind.lstrip(b"\0"))) // BLOCK * BLOCK
    if behind[zeros:][257:262] == b"ustar":
        raise InputError(
            f"{where}: has another tar behind its end, at byte {archive.offset + zeros}, as `cat` joins them; "
            "give the tars themselves, or join them with `tar --concatenate`"
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
