"""Embeddings of one image under many masks against those of other images."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from maescope.figures.style import COLOURS, PAGE
from maescope.measures import mask_invariance


def figure_masks(pairs: pd.DataFrame) -> Figure:
    """Cosine of embeddings under different masks, of one image and of two; norms under all masks, image by image.

    Parameters
    ----------
    pairs : compared, label, image, mask_a, mask_b, cosine, norm_a, norm_b
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(PAGE, 2.7), width_ratios=(1, 1.2))
    titles = {
        "one image": "one image",
        "one class": "two images of one class",
        "two classes": "two images of two classes",
    }
    known = pairs[pairs["cosine"].notna()]  # embeddings of zeros have none
    bins = np.linspace(known["cosine"].min() if len(known) else -1, 1, 60)
    for (name, part), colour, style in zip(
        known.groupby("compared", sort=False), COLOURS, ("-", "--", ":"), strict=False
    ):
        weights = np.full(len(part), 100 / len(part))
        label = f"{titles[name]} (mean {part['cosine'].mean():.3f})"
        left.hist(part["cosine"], bins, weights=weights, histtype="stepfilled", color=colour, alpha=0.2)
        left.hist(
            part["cosine"],
            bins,
            weights=weights,
            histtype="step",
            color=colour,
            linestyle=style,
            linewidth=1.3,
            label=label,
        )
    left.set(xlabel="cosine of two masked embeddings", ylabel="pairs (%)")
    if len(known):
        left.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=1)
    norms = mask_invariance.norms(pairs)
    groups = list(norms.groupby(["label", "image"], sort=False)["norm"])
    right.boxplot(
        [values for _, values in groups],
        positions=range(len(groups)),
        whis=(0, 100),
        widths=0.6,
        patch_artist=True,
        boxprops={"facecolor": "0.85", "edgecolor": "0.3"},
        medianprops={"color": "#000000"},
        manage_ticks=False,
    )
    right.set(
        xlabel="image, by class", ylabel="norm of the embedding", title="all masks of each image: quartiles, extremes"
    )
    right.set_xticks(range(len(groups)), [label for (label, _), _ in groups])
    right.set_ylim(0, None)
    return figure
