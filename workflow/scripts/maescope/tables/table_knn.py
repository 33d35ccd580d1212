"""k-NN accuracy as papers of self-supervision report it, model by model."""

import pandas as pd

from maescope.measures import knn
from maescope.tables.writing import interval

TOKENS = {"cls": "CLS", "mean": "mean"}


def table(measured: pd.DataFrame, pooling: dict[str, str]) -> pd.DataFrame:
    """The measure `knn` of several models, whether a token is what a model's head reads in a further column.

    Parameters
    ----------
    pooling : `models.<model>.pooling` of each
    """
    heads = measured["model"].map(pooling).map({"avg": "mean", "token": "cls"})
    return measured.assign(read=measured["token"] == heads).sort_values(
        ["model", "token", "k"], key=lambda column: column if column.name != "model" else column.map(_order(measured))
    )


def _order(measured: pd.DataFrame) -> dict[str, int]:
    return {name: place for place, name in enumerate(measured["model"].unique())}


def printed(whole: pd.DataFrame) -> pd.DataFrame:
    """Models and tokens in rows, k in columns."""
    shares = whole.assign(**{name: 100 * whole[name] for name in ("accuracy", "low", "high")})
    cells = shares.assign(
        cell=[interval(row, "accuracy", "low", "high", 1) for _, row in shares.iterrows()],
        k=[f"k = {k}" for k in shares["k"]],
        token=[TOKENS[row["token"]] + (", read by its head" if row["read"] else "") for _, row in shares.iterrows()],
    )
    wide = cells.pivot(index=["model", "token"], columns="k", values="cell")
    rows, columns = (cells[["model", "token"]].drop_duplicates(), cells["k"].unique())
    return wide.loc[[tuple(row) for row in rows.to_numpy()], columns].reset_index()


def notes(reference: str, whole: pd.DataFrame) -> list[str]:
    """What a reader must know."""
    one = whole.iloc[0]
    return [
        f"Accuracy in percent of {one['images']} images, for whose classes {one['votes']} images of {reference} vote; "
        f"guessing among its {one['classes']} classes gives {100 / one['classes']:.1f}.",
        "Each of the k images with the largest cosine votes with exp(cosine / "
        f"{knn.TEMPERATURE:g}) (Wu et al. 2018; DINO's evaluation, cited with k = 20). Tokens of the last layer after "
        "the model's final norm, that of the mean of the patch tokens; intervals are Wilson's.",
        "The k-NN below Figures 1 and 2 is another: by layer, before the norm, by distance, each vote alike.",
    ]
