"""The study page: what was found, every figure and table with its files, and what one points at."""

import json
from pathlib import Path

from bokeh.resources import Resources

from maescope.base import logs, tidy
from maescope.base.errors import InputError
from maescope.page import alive, assembly, document, findings, plots

logs.begin(snakemake)

params, given, study = snakemake.params, snakemake.input, snakemake.params.study
pictures = {"model": None, "thumbnails": [], "paths": []}
if given.pictures:
    try:
        pictures = json.loads(Path(given.pictures).read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{given.pictures}: is damaged ({error}); delete it to have it made again") from None
accuracy = tidy.read(given.accuracy, "model", "perturbation")
clean = accuracy[(accuracy["model"] == params.first) & (accuracy["perturbation"] == "clean")]
labels = list(dict.fromkeys(clean["label"]))
alignment = tidy.read(given.alignment, "perturbation", last="layer")
thumbnails = {(one["label"], one["image"]): one["picture"] for one in pictures["thumbnails"]}
data = {
    "labels": labels,
    "outputs": params.outputs,
    "first": params.first,
    "choices": params.choices,
    "panels": params.panels,
    "images": alive.listed(clean, labels, thumbnails),
    "predictions": alive.predictions(accuracy, clean),
    "maps": alive.maps(tidy.read(given.tsne), clean) if given.tsne else {},
    "heads": alive.heads(tidy.read(given.features, "perturbation")),
    "paths": alive.with_cosines(pictures["paths"], alignment),
}
data["plots"] = {
    "tsne": plots.tsne() if data["maps"] else None,
    "heads": plots.heads(),
    "path": plots.path(1 / params.choices) if data["paths"] else None,
}
sections = assembly.sections(params.shown, params.titles, params.told, given, Path(snakemake.output.page).parent)
tidy.write_text(
    document.page(
        Path(given.template).read_text(encoding="utf-8"),
        Path(given.style).read_text(encoding="utf-8"),
        [*Resources(mode="inline", components=["bokeh"]).js_raw, Path(given.behaviour).read_text(encoding="utf-8")],
        study=study,
        found=findings.sentences(tidy.read([given.claims])),
        sections=sections,
        overview=assembly.overview(given.overview),
        data=document.as_data(data),
        has={"maps": bool(data["maps"]), "paths": bool(data["paths"]), "pictures": bool(given.pictures)},
        patches_left_out=bool(data["maps"]) and "patch" not in data["maps"],
        first=params.first,
        images=len(clean),
        classes=len(labels),
    ),
    snakemake.output.page,
)
