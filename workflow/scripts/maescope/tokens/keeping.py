"""An extraction goes on where a killed one was: token files are kept label by label, and handed over at the end."""

import errno
import logging
import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path

import pandas as pd

from maescope.base import provenance
from maescope.base.atomic import replacing
from maescope.base.errors import InputError
from maescope.study import kept_labels
from maescope.tokens import store

log = logging.getLogger(__name__)


class Keeper:
    """Finished labels of one extraction, its own and those of earlier attempts at the same.

    Parameters
    ----------
    outputs : label -> path of its token file, all in one folder
    rows : label, image, path of every image
    pictures : of some of these rows, the files that are read for them
    attributes : root attributes of every file
    decides : what else decides the contents; labels that were made with anything else are not taken over
    """

    def __init__(
        self,
        outputs: Mapping[str, str],
        rows: pd.DataFrame,
        pictures: Callable[[pd.DataFrame], Iterable[str]],
        attributes: Mapping,
        decides: Mapping,
    ):
        self.outputs, self.rows, self.pictures, self.attributes = dict(outputs), rows, pictures, dict(attributes)
        self.folder = kept_labels.folder_of(Path(next(iter(outputs.values()))).parent)
        self.own = self.folder / provenance.fingerprint(self.attributes, decides)[:16]
        self.given: set[str] = set()  # labels in their places

    def take_over(self) -> int:
        """How many images are done: of kept labels that are whole, and were made from what is there now."""
        for other in self.folder.glob("*"):
            if other != self.own:
                log.warning("%s: kept of an attempt with other settings, weights, code or devices; removed", other)
                shutil.rmtree(other, ignore_errors=True)
        found, images = 0, 0
        for label in self.outputs:
            path = self._kept(label)
            if not path.is_file():
                continue
            if reason := self._unfit(label, path):
                log.warning("%s; made again", reason)
                path.unlink(missing_ok=True)
            else:
                found, images = found + 1, images + len(self._of(label))
        if found:
            log.info("%d of %d labels, %d images, were done by an earlier attempt", found, len(self.outputs), images)
        return images

    def missing(self) -> dict[str, str]:
        """Label -> path of what is still to be made; another attempt that lives may have handed over one of ours."""
        labels = [label for label in self.outputs if label not in self.given and not self._kept(label).is_file()]
        return {label: str(self._kept(label)) for label in labels}

    def hand_over(self) -> bool:
        """Put all labels into their places, once none is missing; whether all were there."""
        for label, output in self.outputs.items():
            if label not in self.given and _put(self._kept(label), Path(output)):
                self.given.add(label)
        whole = len(self.given) == len(self.outputs)
        if whole and kept_labels.ON_CLUSTER not in os.environ:
            for label in self.outputs:  # those that were copied: not before, as copies of a killed job are removed
                self._kept(label).unlink(missing_ok=True)
        return whole

    def elsewhere(self) -> dict[Path, int]:
        """The folder of the token files, with how many more images it will hold, where that is another disk."""
        folder = Path(next(iter(self.outputs.values()))).parent
        for place in (folder, self.own):
            place.mkdir(parents=True, exist_ok=True)
        if os.stat(folder).st_dev == os.stat(self.own).st_dev:
            return {}
        return {folder: int(self.rows["label"].isin(self.outputs.keys() - self.given).sum())}

    def _kept(self, label: str) -> Path:
        return self.own / Path(self.outputs[label]).name

    def _of(self, label: str) -> pd.DataFrame:
        return self.rows[self.rows["label"] == label]

    def _unfit(self, label: str, path: Path) -> str | None:
        """Why a kept file cannot be taken over."""
        try:
            made = path.stat().st_mtime_ns
            tokens = store.read_all(str(path), self.attributes["config_hash"])
        except InputError as error:
            return str(error).split("; delete it")[0]
        except FileNotFoundError:
            return f"{path}: another attempt has handed it over"
        wanted = self.attributes | {"label": label}
        if any(str(tokens.attributes.get(name)) != str(value) for name, value in wanted.items()):
            return f"{path}: is of other settings than its folder"
        if tokens.images != self._of(label)["image"].tolist():
            return f"{path}: is of other images"
        reasons = (_altered(picture, made) for picture in self.pictures(self._of(label)))
        reason = next(filter(None, reasons), None)
        return reason and f"{path}: {reason}"


def _altered(picture: str, since: int) -> str | None:
    """What has happened to a picture since a time, in ns, if anything."""
    try:
        return f"{picture} has changed since" if provenance.arrived(picture) > since else None
    except OSError:
        return f"{picture} cannot be read any more"


def _put(kept: Path, output: Path) -> bool:
    """A kept file into its place, whole or not at all; whether there was one.

    On a cluster, and where the place is on another disk, it stays kept as well.
    """
    if kept_labels.ON_CLUSTER in os.environ:
        with suppress(OSError):  # a file system without hard links
            with replacing(output) as temporary:
                os.link(kept, temporary)
            os.utime(output)
            return True
    output.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.replace(kept, output)
    except FileNotFoundError:
        return False
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        return _copy(kept, output)
    os.utime(output)  # no older than what it was made from
    return True


def _copy(kept: Path, output: Path) -> bool:
    """A kept file onto another disk, whole or not at all; whether there was one."""
    try:
        source = kept.open("rb")
    except FileNotFoundError:
        return False
    with source, replacing(output) as temporary, temporary.open("wb") as target:
        shutil.copyfileobj(source, target, 2**24)
    return True
