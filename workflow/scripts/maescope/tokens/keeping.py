"""An extraction goes on where a killed one was: labels that are whole in their places, and its own, are taken over."""

import logging
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import pandas as pd

from maescope.base import provenance
from maescope.base.errors import InputError
from maescope.tokens import store

log = logging.getLogger(__name__)


class Keeper:
    """The labels of one extraction, which are made by this attempt at it or were by earlier ones.

    Parameters
    ----------
    outputs : label -> path of its token file, all in one folder
    rows : label, image, path of every image
    pictures : of some of these rows, the files that are read for them
    attributes : root attributes of every file; with `origin`, what to write is `self.attributes`
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
        self.outputs, self.rows, self.pictures = dict(outputs), rows, pictures
        self.attributes = {**attributes, "origin": provenance.fingerprint(attributes, decides)}
        self.begun: set[str] = set()  # labels that were left to this attempt

    def take_over(self) -> int:
        """How many images are done: of labels that are whole and were made as they would be now; others are removed."""
        found, images, others = 0, 0, []
        for label, output in self.outputs.items():
            path = Path(output)
            if not path.is_file():
                path.unlink(missing_ok=True)  # a link that leads nowhere
                continue
            if store.origin(output) not in (None, self.attributes["origin"]):
                others.append(label)
            elif reason := self._unfit(label, path):
                log.warning("%s; made again", reason)
            else:
                found, images = found + 1, images + len(self._of(label))
                continue
            path.unlink(missing_ok=True)
        if others:
            folder = Path(self.outputs[others[0]]).parent
            log.warning("%s: %d labels of other settings, weights, code or devices; made again", folder, len(others))
        if found:
            log.info("%d of %d labels, %d images, were done by an earlier attempt", found, len(self.outputs), images)
        return images

    def missing(self) -> dict[str, str]:
        """Label -> path of what is still to be made.

        Raises
        ------
        InputError
            where what this attempt has made is no longer there: another one, of other settings, disagrees
        """
        own = self.attributes["origin"]
        labels = [label for label, path in self.outputs.items() if store.origin(path) != own]
        if gone := self.begun.intersection(labels):
            path = self.outputs[min(gone)]
            raise InputError(f"{path}: another extraction, of other settings, writes here too; end it and run again")
        self.begun.update(labels)
        return {label: self.outputs[label] for label in labels}

    def _of(self, label: str) -> pd.DataFrame:
        return self.rows[self.rows["label"] == label]

    def _unfit(self, label: str, path: Path) -> str | None:
        """Why a file cannot be taken over."""
        try:
            made = path.stat().st_mtime_ns
            tokens = store.read_all(str(path), self.attributes["config_hash"])
        except InputError as error:
            return str(error).split("; delete it")[0]
        except FileNotFoundError:
            return f"{path}: another attempt has removed it"
        wanted = self.attributes | {"label": label}
        if any(str(tokens.attributes.get(name)) != str(value) for name, value in wanted.items()):
            return f"{path}: is of other settings, weights, code or devices"
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
