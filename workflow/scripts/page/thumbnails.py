"""Pictures of the study page: thumbnails, and a few images on their way through blur and occlusion."""

import json
from pathlib import Path

import torch

from maescope.base import grid, logs, tidy
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
try:
    pictures = [reading.read(picture, preprocessing) for picture in addresses.of(chosen)]
    own = thumbnails.followed(rows, turned, params.labels)
    seen = dict(zip(own.index, (reading.read(picture, preprocessing) for picture in addresses.of(own)), strict=True))
except InputError as error:
    raise InputError(f"{error}; without the pictures' files, study.thumbnails: false makes the page") from None

files = {
    name: store.token_files(params.labels, [path for path in given.tokens if Path(path).parent.name == name], made_with)
    for name, made_with in params.config_hash.items()
}
paths = []
for label, part in own.groupby("label", sort=False):
    clean = files["clean"][label]
    places = [clean.images.index(image) for image in part["image"]]
    targets, crops = clean.targets[places], thumbnails.stacked(seen[index] for index in part.index)
    rollout = clean.read("clean", params.scores)[places]
    geometry = perturbations.Geometry(grid.shape(rollout.shape[1], preprocessing.crop), preprocessing.mean)
    steps = {"clean": {"clean": thumbnails.step(crops, clean.read("clean", "logits")[places], targets, among)}}
    for name, entry in params.entries.items():
        perturbation = perturbations.build(entry, params.seed, params.dataset)
        store.require_pair(clean, files[name][label])
        steps[name] = {
            level: thumbnails.step(
                thumbnails.degraded(perturbation, level, crops, part["image"].tolist(), rollout, geometry),
                files[name][label].read(level, "logits")[places],
                targets,
                among,
            )
            for level in perturbation.levels
        }
    paths += thumbnails.paths(label, part["image"], targets, rollout, geometry.grid, steps)
found = {
    "thumbnails": [
        {"label": label, "image": image, "picture": thumbnails.encoded(picture)}
        for label, image, picture in zip(chosen["label"], chosen["image"], pictures, strict=True)
    ],
    "paths": paths,
}
tidy.write_text(json.dumps(found, allow_nan=False) + "\n", snakemake.output.pictures)
