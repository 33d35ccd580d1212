"""What the alive parts of the study page show, from measures: for JSON, images by their place in one list."""

from collections.abc import Mapping, Sequence

import pandas as pd

MOST_POINTS = 4000  # patch tokens of one layer that a browser still moves at once


def data(
    accuracy: pd.DataFrame,
    features: pd.DataFrame | None,
    alignment: pd.DataFrame | None,
    tsne: pd.DataFrame | None,
    pictures: Mapping,
    first: str,
    outputs: Sequence[str],
    names: Mapping[str, str],
) -> dict:
    """All of it, by part.

    Parameters
    ----------
    accuracy : model, perturbation, level, label, image, target, prediction
    features, alignment : of the functions below; None where no images are blurred or occluded
    tsne : of `maps`, None where no model is looked at layer by layer
    pictures : `thumbnails` and `paths`, as the rule `thumbnails` writes them
    first : the model whose predictions stand beside images
    outputs : the classes by their index
    names : what labels are called, where they are codes
    """
    clean = accuracy[(accuracy["model"] == first) & (accuracy["perturbation"] == "clean")]
    labels = list(dict.fromkeys(clean["label"]))
    own = {(one["label"], one["image"]): one["picture"] for one in pictures["thumbnails"]}
    predicted = predictions(accuracy, clean)
    return {
        "labels": [names.get(label, label) for label in labels],
        "outputs": [names.get(label, label) for label in outputs],
        "first": first,
        "images": listed(clean, labels, own),
        "predictions": predicted,
        "degraded": [model for model, conditions in predicted.items() if set(conditions) - {"clean"}],
        "maps": {} if tsne is None else maps(tsne, clean),
        "heads": {} if features is None else heads(features),
        "paths": [] if alignment is None else with_cosines(pictures["paths"], alignment),
    }


def listed(clean: pd.DataFrame, labels: list[str], pictures: dict[tuple[str, str], str]) -> dict:
    """All images, as columns: name, place of the label, target, thumbnail ("" where there is none).

    Parameters
    ----------
    clean : label, image, target: one row per image
    labels : in the order of the page
    pictures : (label, image) -> base64
    """
    keys = list(zip(clean["label"], clean["image"], strict=True))
    places = {label: place for place, label in enumerate(labels)}
    return {
        "name": [image for _, image in keys],
        "label": [places[label] for label, _ in keys],
        "target": clean["target"].tolist(),
        "picture": [pictures.get(key, "") for key in keys],
    }


def places(clean: pd.DataFrame) -> pd.Series:
    """Label and image -> the image's place in that list."""
    keys = pd.MultiIndex.from_frame(clean[["label", "image"]])
    return pd.Series(range(len(clean)), index=keys)


def predictions(accuracy: pd.DataFrame, clean: pd.DataFrame) -> dict:
    """Model -> perturbation -> its levels, and for each the predictions of all images (-1 where there is none).

    Parameters
    ----------
    accuracy : model, perturbation, level, label, image, prediction
    """
    found, keys = {}, places(clean).index
    for (model, name), part in accuracy.groupby(["model", "perturbation"], sort=False):
        levels = list(dict.fromkeys(part["level"]))
        by_level = part.set_index(["level", "label", "image"])["prediction"]
        own = [by_level.loc[level].reindex(keys, fill_value=-1).astype(int).tolist() for level in levels]
        found.setdefault(model, {})[name] = {"levels": levels, "predictions": own}
    return found


def maps(tsne: pd.DataFrame, clean: pd.DataFrame) -> dict:
    """Kind of token -> images and patches of its points, and their x and y layer by layer.

    Patch tokens are left out where they are more than MOST_POINTS: a browser would not follow the slider.

    Parameters
    ----------
    tsne : token, layer, label, image, patch, x, y
    """
    found, own = {}, places(clean)
    for token in ("mean", "cls", "patch"):
        part = tsne[tsne["token"] == token]
        layers = sorted(part["layer"].unique())
        if not layers or (token == "patch" and (part["layer"] == layers[0]).sum() > MOST_POINTS):
            continue
        of = part[part["layer"] == layers[0]]
        patches = of["patch"].fillna(-1).astype(int)
        keys = pd.MultiIndex.from_arrays([of["label"], of["image"], patches])
        image = own.reindex(pd.MultiIndex.from_frame(of[["label", "image"]]))
        found[token] = {
            "image": image.astype(int).tolist(),
            "patch": patches.tolist(),
            "layers": list(map(int, layers)),
        }
        for axis in ("x", "y"):
            found[token][axis] = []
            for _, rows in part.groupby("layer"):
                at = pd.MultiIndex.from_arrays([rows["label"], rows["image"], rows["patch"].fillna(-1).astype(int)])
                found[token][axis].append(pd.Series(rows[axis].to_numpy(), at).reindex(keys).round(2).tolist())
    return found


def heads(features: pd.DataFrame) -> dict:
    """Perturbation -> levels, and by level, layer and head the common features, mean over classes.

    `clean`, (layers, heads), are those of clean images, `kept`, (levels, layers, heads), those that remain;
    `shuffled_clean` and `shuffled_kept` the same for classes whose labels were shuffled over the images.

    Parameters
    ----------
    features : perturbation, level, label, layer, head, common_clean, common_perturbed, shuffled_clean, ...
    """
    found = {}
    columns = ["common_clean", "common_perturbed", "shuffled_clean", "shuffled_perturbed"]
    for name, part in features.groupby("perturbation", sort=False):
        levels = list(dict.fromkeys(part["level"]))
        means = part.groupby(["level", "layer", "head"])[columns].mean()

        def grid(level: str, column: str, means: pd.DataFrame = means) -> list[list[float]]:
            own = means.loc[level][column].unstack("head").sort_index().round(3)
            return own.astype(object).where(own.notna(), None).to_numpy().tolist()  # of one class none can be shuffled

        found[name] = {
            "levels": levels,
            "clean": grid(levels[0], "common_clean"),
            "kept": [grid(level, "common_perturbed") for level in levels],
            "shuffled_clean": grid(levels[0], "shuffled_clean"),
            "shuffled_kept": [grid(level, "shuffled_perturbed") for level in levels],
        }
    return found


def with_cosines(paths: list[dict], alignment: pd.DataFrame) -> list[dict]:
    """Paths of `page.thumbnails`, each step with the cosine of the last layer's embedding with the clean image's.

    Parameters
    ----------
    alignment : perturbation, level, label, image, cosine, of the last layer
    """
    there = alignment.dropna(subset="cosine").set_index(["perturbation", "level", "label", "image"])
    cosine = there["cosine"].round(4).to_dict()
    for path in paths:
        for name, steps in path["steps"].items():
            for step in steps:
                own = (name, step["level"], path["label"], path["image"])
                step["cosine"] = 1.0 if name == "clean" else cosine.get(own)
    return paths
