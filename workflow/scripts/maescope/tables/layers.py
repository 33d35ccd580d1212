"""What Figures 1-4 and mask invariance say in numbers: summaries by layer, and the sentences of their captions."""

from collections.abc import Sequence

import pandas as pd


def separation_numbers(separation: pd.DataFrame, tokens: Sequence[str]) -> pd.DataFrame:
    """Silhouette, k-NN and linear probe of the given kinds of token, by layer."""
    return separation[separation["token"].isin(tokens)].reset_index(drop=True)


def separation_seen(numbers: pd.DataFrame) -> str:
    """The caption of Figures 1 and 2, measured."""
    parts = []
    for (token, scope), part in numbers.groupby(["token", "scope"], sort=False):
        first, last = part.iloc[0], part.iloc[-1]
        best = part.loc[part["knn_accuracy"].idxmax()]
        parts.append(
            f"{token} tokens, {first['classes']} classes, {first['images']} images{' as shown' * (scope == 'shown')}: "
            f"k-NN {first['knn_accuracy']:.2f} in layer {first['layer']}, {last['knn_accuracy']:.2f} in layer "
            f"{last['layer']}, highest in layer {best['layer']} ({best['knn_accuracy']:.2f}), guessing "
            f"{first['chance']:.2f}; linear probe {first['probe_accuracy']:.2f} to {last['probe_accuracy']:.2f}; "
            f"silhouette {first['silhouette']:.2f} to {last['silhouette']:.2f}, without structure 0."
        )
    columns = {
        "token": "token",
        "classes": "classes",
        "layer": "layer",
        "silhouette": "silhouette",
        "knn_accuracy": "k-NN",
        "probe_accuracy": "linear probe",
        "chance": "guessing",
    }
    return "\n\n".join(parts) + "\n\n" + csv_table(numbers[list(columns)].rename(columns=columns))


def head_means(attention: pd.DataFrame) -> pd.DataFrame:
    """Mean over images of each head: dataset, model, layer, head, distance_px, entropy, uniform_px."""
    by = ["dataset", "model", "layer", "head"]
    return attention.groupby(by, sort=False)[["distance_px", "entropy", "uniform_px"]].mean().reset_index()


def attention_numbers(heads: pd.DataFrame) -> pd.DataFrame:
    """Mean, lowest and highest head of each layer."""
    groups = heads.groupby(["dataset", "model", "layer"], sort=False)
    return groups.agg(
        distance_px=("distance_px", "mean"),
        lowest_head=("distance_px", "min"),
        highest_head=("distance_px", "max"),
        uniform_px=("uniform_px", "first"),
        entropy=("entropy", "mean"),
    ).reset_index()


def attention_seen(numbers: pd.DataFrame) -> str:
    """The caption of Figure 3, measured."""
    parts = []
    for (dataset, model), part in numbers.groupby(["dataset", "model"], sort=False):
        first, last = part.iloc[0], part.iloc[-1]
        parts.append(
            f"{model} on {dataset}: heads from {part['lowest_head'].min():.1f} to {part['highest_head'].max():.1f} px, "
            f"mean {first['distance_px']:.1f} px in layer {first['layer']} and {last['distance_px']:.1f} px in layer "
            f"{last['layer']}; uniform attention has {first['uniform_px']:.1f} px."
        )
    return "\n\n".join(parts) + "\n\n" + csv_table(numbers, digits=2)


def first_angles(angles: pd.DataFrame) -> pd.DataFrame:
    """theta_1 of the first level and the first k."""
    chosen = (
        (angles["index"] == 1) & (angles["level"] == angles["level"].iloc[0]) & (angles["k"] == angles["k"].iloc[0])
    )
    return angles[chosen]


def angle_numbers(first: pd.DataFrame, singular_values: pd.DataFrame) -> pd.DataFrame:
    """theta_1 by layer, its quartiles and baselines, and the share of energy in the first singular vector."""
    quartiles = first.groupby(["kind", "layer"])["angle_deg"].quantile([0.25, 0.5, 0.75]).unstack()
    top = singular_values[singular_values["index"] == 1].groupby("layer")["relative"]
    return pd.DataFrame(
        {
            "k": first["k"].iloc[0],
            "theta_1": quartiles.loc["between"][0.5],
            "quartile_1": quartiles.loc["between"][0.25],
            "quartile_3": quartiles.loc["between"][0.75],
            "within_class": quartiles.loc["within"][0.5],
            "random": first.loc[first["kind"] == "random", "angle_deg"].median(),
            "energy_of_first": top.apply(lambda values: (values**2).mean()),
        }
    ).reset_index()


def angles_seen(numbers: pd.DataFrame) -> str:
    """The caption of Figure 4, measured."""
    first, last = numbers.iloc[0], numbers.iloc[-1]
    rises = (numbers["theta_1"].diff().dropna() > 0).sum()
    text = (
        f"Median of the smallest angle at k = {first['k']:.0f}: {first['theta_1']:.2f}° in layer "
        f"{first['layer']:.0f}, {last['theta_1']:.2f}° in layer {last['layer']:.0f}, rising at {rises} of "
        f"{len(numbers) - 1} steps; between the halves of one class {first['within_class']:.2f}° and "
        f"{last['within_class']:.2f}°; between two random subspaces {first['random']:.1f}°. The first singular vector "
        f"holds {100 * first['energy_of_first']:.0f} % of the energy in layer {first['layer']:.0f} and "
        f"{100 * last['energy_of_first']:.0f} % in layer {last['layer']:.0f}."
    )
    return text + "\n\n" + csv_table(numbers, digits=2)


def mask_numbers(pairs: pd.DataFrame) -> pd.DataFrame:
    """Mean and spread of the cosine by what is compared."""
    cosines = pairs.groupby("compared", sort=False)["cosine"]
    return cosines.agg(["mean", "min", "max", "count"]).reset_index()


def norm_spread(norms: pd.DataFrame) -> pd.DataFrame:
    """Range and standard deviation of the norm over the masks of each image, in percent of its mean."""
    groups = norms.groupby(["label", "image"], sort=False)["norm"]
    spread = pd.DataFrame({"range": groups.max() - groups.min(), "deviation": groups.std()})
    return (100 * spread.div(groups.mean(), axis=0)).reset_index()


def masks_seen(numbers: pd.DataFrame, norms: pd.DataFrame) -> str:
    """The caption of the figure of mask invariance, measured."""
    cosines = numbers.set_index("compared")["mean"]
    others = ", ".join(f"{cosine:.3f} between images of {name}" for name, cosine in cosines.drop("one image").items())
    spread, zeros = norm_spread(norms), (norms["norm"] == 0).sum()
    without = f" {zeros} embeddings are zeros, which have no cosine, and are left out." if zeros else ""
    return (
        f"{norms['mask'].nunique()} masks of each of {len(spread)} images: mean cosine {cosines['one image']:.3f} "
        f"within an image, {others}. Norms over the masks of an image span {spread['range'].min():.1f} to "
        f"{spread['range'].max():.1f} % of their mean.{without}\n\n{csv_table(numbers)}"
    )


def csv_table(frame: pd.DataFrame, digits: int = 3) -> str:
    """A table in reStructuredText."""
    cells = frame.map(lambda value: f"{value:.{digits}f}" if isinstance(value, float) else str(value))
    lines = ["   " + ", ".join(f'"{cell}"' for cell in row) for row in cells.to_numpy()]
    header = ", ".join(f'"{name}"' for name in frame.columns)
    return "\n".join([".. csv-table::", f"   :header: {header}", "", *lines, ""])
