"""Pictures of the study page: thumbnails, and a few images on their way through blur and occlusion."""

import json
from pathlib import Path

import numpy as np
import torch

from maescope.base import logs, tidy
from maescope.base.errors import InputError
from maescope.images import addresses, perturbations, reading
from maescope.page import thumbnails
from maescope.tokens import store

logs.begin(snakemake)
torch.set_num_threads(snakemake.threads)

params, given = snakemake.params, snakemake.input
preprocessing = reading.Preprocessing(**params.preprocessing)
among = [params.outputs.index(label) for label in params.all_labels] if params.among == "labels" else None
rows, turned = tidy.read([given.images]), thumbnails.turned(tidy.read(given.accuracy, "perturbation"))
chosen = thumbnails.picked(rows, turned, params.shown, params.each)
own = thumbnails.followed(rows, turned, params.labels)
try:
    pictures, followed = (
        [reading.read(picture, preprocessing) for picture in addresses.of(part)] for part in (chosen, own)
    )
except InputError as error:
    raise InputError(f"{error}; or set study.thumbnails: false, and the page is made without pictures") from None

paths, conditions = (
    [],
    {name: perturbations.build(entry, params.seed, params.dataset) for name, entry in params.entries.items()},
)
files = {
    Path(tokens).stem: store.token_files(params.labels, tokens, params.config_hash[Path(tokens).stem])
    for tokens in given.tokens
}
for label, part in own.reset_index(drop=True).groupby("label", sort=False):
    crops = np.stack([followed[index] for index in part.index])
    of_label = {name: by_label[label] for name, by_label in files.items()}
    images = part["image"].tolist()
    paths += thumbnails.paths_of_label(label, images, crops, of_label, conditions, params.scores, preprocessing, among)
small = [
    {"label": label, "image": image, "picture": thumbnails.encoded(picture)}
    for label, image, picture in zip(chosen["label"], chosen["image"], pictures, strict=True)
]
tidy.write_text(json.dumps({"thumbnails": small, "paths": paths}, allow_nan=False) + "\n", snakemake.output.pictures)
