"""What a study was made of, on one page: settings, models, versions, run times (the report's first page)."""

from collections.abc import Mapping, Sequence
from html import escape
from importlib import metadata

import pandas as pd

from maescope.base import grid
from maescope.study import sizes
from maescope.tables.writing import STYLE

PACKAGES = ("snakemake", "torch", "torchvision", "timm", "numpy", "scipy", "h5py", "scikit-learn", "scikit-image")
PACKAGES += ("statsmodels", "matplotlib", "pandas", "pillow", "safetensors")


def settings_table(config: Mapping) -> pd.DataFrame:
    """Every setting by the path of its key, one per row; models have a table of their own."""
    rows = [("seed", str(config["seed"]))]
    for part in ("study", "datasets", "perturbations", "analysis"):
        rows += _flat(part, config[part])
    return pd.DataFrame(rows, columns=["setting", "value"])


def _flat(path: str, value) -> list[tuple[str, str]]:
    if isinstance(value, Mapping) and value:
        return [row for key, one in value.items() for row in _flat(f"{path}.{key}", one)]
    if isinstance(value, Sequence) and not isinstance(value, str):
        shown = value if len(value) <= 12 else [*value[:5], f"… {value[-1]} ({len(value)})"]
        value = ", ".join(map(str, shown))
    return [] if value is None else [(path, str(value))]


def models_table(models: Mapping[str, Mapping], digests: Mapping[str, str]) -> pd.DataFrame:
    """The models, where their weights come from and the SHA-256 of the file."""
    rows = []
    for name, model in models.items():
        arguments = ", ".join(f"{key} {value}" for key, value in model["arguments"].items())
        recipe = model["training"]
        origin = f"trained here: {recipe['recipe']}, {recipe['epochs']} epochs" if recipe else model["weights"]
        crop = f"{grid.in_words(model['preprocessing']['crop'])} px"
        head = f"{model['num_classes']} classes, {model['pooling']}" if model["num_classes"] else "none"
        row = {"model": name, "architecture": f"{model['architecture']} {arguments}".strip(), "input": crop}
        row["beside patches"] = sizes.prefix_of(model)
        rows.append(row | {"head": head, "weights": origin, "SHA-256": digests.get(name, "not a file")})
    return pd.DataFrame(rows)


def versions_table() -> pd.DataFrame:
    """The packages of the environment that this runs in."""
    found = {one.metadata["Name"].lower(): one.version for one in metadata.distributions() if one.metadata["Name"]}
    rows = [(name, found.get(name, "not in this job's environment")) for name in PACKAGES]
    return pd.DataFrame(rows, columns=["package", "version"])


def times_table(benchmarks: Mapping[tuple[str, str], pd.DataFrame]) -> pd.DataFrame:
    """Run time and memory of the jobs that train and extract, and their sum.

    Parameters
    ----------
    benchmarks : (rule, what it was of) -> Snakemake's benchmark, with `s` and `max_rss`
    """
    rows = [
        {
            "rule": rule,
            "of": what,
            "seconds": float(frame["s"].iloc[-1]),
            "peak memory (MB)": round(frame["max_rss"].iloc[-1]),
        }
        for (rule, what), frame in sorted(benchmarks.items())
    ]
    table = pd.DataFrame(rows, columns=["rule", "of", "seconds", "peak memory (MB)"])
    total = {"rule": "all of them", "of": f"{len(rows)} jobs", "seconds": table["seconds"].sum()}
    total["peak memory (MB)"] = table["peak memory (MB)"].max()
    return pd.concat([table, pd.DataFrame([total])], ignore_index=True).round({"seconds": 1})


def page(
    title: str, authors: Sequence[str], lead: str, sections: Mapping[str, pd.DataFrame], warnings: Sequence[str]
) -> str:
    """The sections one below the other, warnings before them, as one HTML page that needs no other file."""
    loud = "".join(f"<p><strong>{escape(warning)}</strong></p>" for warning in warnings)
    parts = [f"<h2>{escape(name)}</h2>{table.to_html(index=False, border=0)}" for name, table in sections.items()]
    style = f"<style>{STYLE}td:last-child{{overflow-wrap:anywhere}}</style>"
    head = f'<meta charset="utf-8"><title>{escape(title)}</title>{style}'
    by = f"<p>{escape(', '.join(authors))}</p>" if authors else ""
    body = f"<h1>{escape(title)}</h1>{by}<p>{escape(lead)}</p>{loud}{''.join(parts)}"
    return f'<!doctype html><html lang="en">{head}{body}</html>\n'
