"""The study page: what was found, every figure and table with its files, and what one points at."""

from pathlib import Path

from maescope.base import logs, tidy
from maescope.page import alive, assembly, document, findings, plots

logs.begin(snakemake)

params, given = snakemake.params, snakemake.input
accuracy = tidy.read(given.accuracy, "model", "perturbation")
data = alive.data(
    accuracy,
    tidy.read(given.features, "perturbation") if given.features else None,
    tidy.read(given.alignment, "perturbation", last="layer") if given.alignment else None,
    tidy.read(given.tsne) if given.tsne else None,
    assembly.pictures(given.pictures),
    params.first,
    params.outputs,
    params.names,
)
data |= {"choices": params.choices, "panels": params.panels, "plots": plots.of(data, 1 / params.choices)}
page = document.page(
    *(Path(path).read_text(encoding="utf-8") for path in (given.template, given.style)),
    [plots.library(), Path(given.behaviour).read_text(encoding="utf-8")],
    data,
    study=params.study,
    found=findings.sentences(
        tidy.read([given.claims]),
        findings.on_clean(accuracy, params.first, params.choices, params.intervals["confidence"]),
    ),
    headings=[*params.shown],
    left_out=params.left_out,
    sections=assembly.sections(params.shown, params.titles, params.told, given, Path(snakemake.output.page).parent),
    overview=assembly.overview(given.overview),
)
tidy.write_text(page, snakemake.output.page)
