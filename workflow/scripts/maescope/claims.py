"""What the paper says against what was measured: one small function a claim, each with its rule in words.

A function takes the evidence and the paper's value and returns a `Finding`. To add a claim: a function, its name in
`CLAIMS` under the words of config/paper/claims.csv, and a row there.

A verdict is `holds`, `does not hold` or `cannot be said with this data`, the last also where the data are there but the
interval is wider than would tell.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from maescope import corrupted, invariance, layertables, seeds, stats, tables
from maescope.chance import near_chance

NOT_THE_PAPERS = "the number is of the paper's model, and this one is not it"
HOLDS, FAILS, UNKNOWN = "holds", "does not hold", "cannot be said with this data"
KINDS = ("common", "shuffled")  # features of classes, and of shuffled labels


@dataclass
class Finding:
    """What was measured of a claim, and what follows."""

    rule: str  # when the claim counts as holding
    verdict: str = UNKNOWN
    measured: float = np.nan
    low: float = np.nan  # of the interval, in the unit of the claim
    high: float = np.nan
    unit: str = ""
    images: float = np.nan
    why: str = ""  # of a verdict that needs a reason


@dataclass
class Evidence:
    """The measures of a study that claims are held against; None where the study has not measured one.

    Parameters
    ----------
    accuracy, alignment : with column `perturbation`, of the fine-tuned model
    features : of the fine-tuned model under blur
    shift : imagenet-r, imagenet-a -> measure `shift`
    attention : of clean images and the pretrained model; attention_supervised, of a supervised one
    separation, mask_invariance, angles : of the pretrained model
    blur, occlusion : names of the perturbations; strongest : the last level of blur
    sources : perturbation -> corruption and source, as in Table II
    classes : how many a guess chooses among
    images : which list of classes the study's dataset has all of, e.g. imagenet-1k
    crop : side of the model's input in pixels
    repeats_paper : whether model and data are the paper's, so that absolute numbers can be compared
    """

    accuracy: pd.DataFrame
    alignment: pd.DataFrame
    blur: str
    strongest: str
    occlusion: str
    intervals: dict
    crop: int
    classes: int
    repeats_paper: bool
    images: str | None = None
    sources: dict[str, dict] = field(default_factory=dict)
    shift: dict[str, pd.DataFrame] = field(default_factory=dict)
    attention: pd.DataFrame | None = None
    attention_supervised: pd.DataFrame | None = None
    separation: pd.DataFrame | None = None
    mask_invariance: pd.DataFrame | None = None
    angles: pd.DataFrame | None = None
    features: pd.DataFrame | None = None


def table(evidence: Evidence, paper: pd.DataFrame) -> pd.DataFrame:
    """One row a claim: claim, where, paper, measured, low, high, unit, images, verdict, rule, why.

    Parameters
    ----------
    paper : claim, where, value (none for a claim without a number)
    """
    rows = []
    for _, row in paper.iterrows():
        finding = CLAIMS[row["claim"]](evidence, row["value"]) if row["claim"] in CLAIMS else Finding("no rule yet")
        rows.append({"claim": row["claim"], "where": row["where"], "paper": row["value"]} | vars(finding))
    order = ["claim", "where", "paper", "measured", "low", "high", "unit", "images", "verdict", "rule", "why"]
    return pd.DataFrame(rows, columns=order)


# ---- Verdicts --------------------------------------------------------------------------------------------------------


def agreement(low: float, high: float, paper: float, direction: str, finest: float) -> tuple[str, str]:
    """Whether a measured interval agrees with a published number: the verdict, and why where it cannot be said.

    Parameters
    ----------
    direction : at least, at most or equal: the interval must reach the paper's value, or lie on the good side of it
    finest : half a width of the interval beyond which nothing can be said
    """
    if np.isnan(low) or np.isnan(high):
        return UNKNOWN, "a class with one image only has no interval"
    if (high - low) / 2 > finest:
        return UNKNOWN, f"the interval is wider than +-{finest:g}"
    reaches = {"at least": high >= paper, "at most": low <= paper, "equal": low <= paper <= high}
    return (HOLDS if reaches[direction] else FAILS), ""


def beyond(low: float, high: float, threshold: float) -> str:
    """Whether a whole interval is at or above a threshold, below it, or neither."""
    return HOLDS if low >= threshold else FAILS if high < threshold else UNKNOWN


def _guessing(evidence: Evidence) -> str:
    """A reason against any verdict on a model that may be guessing, none if it is not."""
    clean = _condition(evidence.accuracy, "clean", "clean")["correct"]
    return "the clean accuracy is near chance" if near_chance(clean, evidence.classes) else ""


def _top_1(correct: pd.Series, paper: float, direction: str, rule: str, evidence: Evidence) -> Finding:
    """A claim about an accuracy in percent."""
    right, number = int(correct.sum()), len(correct)
    low, high = (100 * end for end in stats.wilson(right, number, evidence.intervals["confidence"]))
    verdict, why = agreement(low, high, paper, direction, 5)
    if why := _guessing(evidence) or why:
        verdict = UNKNOWN
    return Finding(rule, verdict, 100 * right / number, low, high, "%", number, why)


# ---- Occlusion and blur ----------------------------------------------------------------------------------------------


def occluded_90(evidence: Evidence, paper: float) -> Finding:
    """Accuracy with 90 % of the most attended patches occluded."""
    rule = "the interval of the accuracy reaches the paper's value or lies above it"
    part = _condition(evidence.accuracy, evidence.occlusion, "90")
    if part.empty:
        return Finding(rule, why=f"{evidence.occlusion} has no level 90")
    return _top_1(part["correct"], paper, "at least", rule, evidence)


def stays_high(evidence: Evidence, paper: float) -> Finding:
    """The largest share of occluded patches up to which accuracy is high: at most 10 points below clean."""
    rule = "up to the paper's percentage the accuracy is at most 10 points below clean (paired; our reading of 'high')"
    both = evidence.accuracy[evidence.accuracy["perturbation"].isin(["clean", evidence.occlusion])]
    changes = tables.accuracies(both.assign(model=""), ["model", "perturbation", "level"], evidence.intervals)
    changes = changes[changes["perturbation"] == evidence.occlusion].assign(level=lambda t: t["level"].astype(int))
    changes = changes[changes["level"] > 0].sort_values("level")
    if paper not in changes["level"].to_numpy():
        return Finding(rule, why=f"{evidence.occlusion} has no level {paper:g}")
    if why := _guessing(evidence):
        return Finding(rule, why=why)
    low, measured, high = (_last_above(changes, end, -10) for end in ("change_low", "change", "change_high"))
    verdict = beyond(low, high, paper)
    why = "at the paper's percentage the interval of the change includes 10 points" if verdict == UNKNOWN else ""
    return Finding(rule, verdict, measured, low, high, "% of patches", changes["images"].iloc[0], why)


def _last_above(changes: pd.DataFrame, column: str, threshold: float) -> int:
    """The largest level such that a column is at or above the threshold there and at all levels before; 0 for none."""
    kept = changes["level"][(changes[column] >= threshold).cummin()]
    return int(kept.max()) if len(kept) else 0


def cosine_correct(evidence: Evidence, paper: float) -> Finding:
    """Mean cosine of the images that are still right at the strongest blur."""
    rule = "the interval of the cosine reaches the paper's value or lies above it"
    return _cosine(evidence, paper, 1, "at least", rule)


def cosine_misclassified(evidence: Evidence, paper: float) -> Finding:
    """Mean cosine of the images that are wrong at the strongest blur."""
    rule = "the interval of the cosine reaches the paper's value or lies below it"
    return _cosine(evidence, paper, 0, "at most", rule)


def _cosine(evidence: Evidence, paper: float, correct: int, direction: str, rule: str) -> Finding:
    part = _condition(_last_layer(evidence.alignment), evidence.blur, evidence.strongest)
    part = part[part["correct"] == correct]
    if len(part) < 10:
        return Finding(rule, images=len(part), why=f"only {len(part)} such images")
    values, labels = part["cosine"].to_numpy(), part["label"].to_numpy()
    low, high = stats.bootstrap(values, labels, **evidence.intervals)
    verdict, why = agreement(low, high, paper, direction, 0.05)
    if why := _guessing(evidence) or why:  # right and wrong mean nothing then
        verdict = UNKNOWN
    return Finding(rule, verdict, stats.class_mean(values, labels), low, high, "", len(part), why)


def lowest_norm_difference(evidence: Evidence, paper: float) -> Finding:
    """Smallest | norm clean - norm perturbed | of an image over all levels."""
    return _norm_difference(evidence, paper, "min")


def highest_norm_difference(evidence: Evidence, paper: float) -> Finding:
    """Largest | norm clean - norm perturbed | of an image over all levels."""
    return _norm_difference(evidence, paper, "max")


def _norm_difference(evidence: Evidence, paper: float, extreme: str) -> Finding:
    last = _last_layer(evidence.alignment)
    last = last[last["level"] != "0"]  # occlusion of nothing changes nothing
    drift = (last["norm_clean"] - last["norm_perturbed"]).abs()
    return _example(drift.groupby([last["label"], last["image"]]).agg(extreme), evidence, paper)


def _example(values: pd.Series, evidence: Evidence, paper: float) -> Finding:
    """A number that the paper gives of one image, against the middle and the central share of the images here."""
    rule = "the paper's example lies within the central share of the images measured here; only for the paper's model"
    tail = (1 - evidence.intervals["confidence"]) / 2
    low, measured, high = values.quantile([tail, 0.5, 1 - tail])
    finding = Finding(rule, UNKNOWN, measured, low, high, "norm", len(values))
    if evidence.repeats_paper:
        finding.verdict = HOLDS if low <= paper <= high else FAILS
    else:
        finding.why = "norms depend on the model, and this one is not the paper's"
    return finding


def _condition(measure: pd.DataFrame, perturbation: str, level: str) -> pd.DataFrame:
    return measure[(measure["perturbation"] == perturbation) & (measure["level"] == level)]


def _last_layer(alignment: pd.DataFrame) -> pd.DataFrame:
    return alignment[alignment["layer"] == alignment["layer"].max()]


# ---- ImageNet, -C, -R and -A -----------------------------------------------------------------------------------------


def top_1_imagenet(evidence: Evidence, paper: float) -> Finding:
    """Top-1 on the validation images of all of ImageNet-1K."""
    rule = "the interval of the accuracy contains the paper's value"
    if evidence.images != "imagenet-1k":
        return Finding(rule, why="the study's images are not of all 1000 classes of ImageNet-1K")
    if not evidence.repeats_paper:
        return Finding(rule, why=NOT_THE_PAPERS)
    return _top_1(_condition(evidence.accuracy, "clean", "clean")["correct"], paper, "equal", rule, evidence)


def mce(evidence: Evidence, paper: float) -> Finding:
    """Mean corruption error on all of ImageNet-C."""
    rule = "the interval of the mCE contains the paper's value"
    if evidence.images != "imagenet-1k":
        return Finding(rule, why="the study's images are not of all 1000 classes of ImageNet-1K")
    if not evidence.repeats_paper:
        return Finding(rule, why=NOT_THE_PAPERS)
    if not evidence.sources or any(source["source"] != "files" for source in evidence.sources.values()):
        return Finding(rule, why="the corrupted images are not ImageNet-C's files")
    errors = corrupted.errors(evidence.accuracy, evidence.sources, evidence.intervals).set_index("perturbation")
    if "accuracy" not in errors:
        return Finding(rule, why="not all 75 conditions are there")
    value, low, high, images = errors.loc["mCE", ["accuracy", "accuracy_low", "accuracy_high", "images"]]
    verdict, why = agreement(low, high, paper, "equal", 5)
    return Finding(rule, verdict, value, low, high, "%", images, why)


def top_1_r(evidence: Evidence, paper: float) -> Finding:
    """Top-1 on ImageNet-R among its 200 classes."""
    return _top_1_shifted(evidence, paper, "imagenet-r")


def top_1_a(evidence: Evidence, paper: float) -> Finding:
    """Top-1 on ImageNet-A among its 200 classes."""
    return _top_1_shifted(evidence, paper, "imagenet-a")


def _top_1_shifted(evidence: Evidence, paper: float, name: str) -> Finding:
    rule = "the interval of the accuracy among the 200 classes contains the paper's value"
    if name not in evidence.shift:
        return Finding(rule, why=f"the study has no dataset with the classes of {name}")
    if not evidence.repeats_paper:
        return Finding(rule, why=NOT_THE_PAPERS)
    shift = evidence.shift[name]
    return _top_1(shift.loc[shift["among"] == "masked200", "correct"], paper, "equal", rule, evidence)


# ---- Layers: attention, clusters, masks, subspaces -------------------------------------------------------------------


def lowest_distance(evidence: Evidence, paper: float) -> Finding:
    """Smallest mean attention distance of a head: global is far."""
    return _distance(evidence, paper, "idxmin", "at least")


def highest_distance(evidence: Evidence, paper: float) -> Finding:
    """Largest mean attention distance of a head: the end of the paper's range, which may be missed either way."""
    return _distance(evidence, paper, "idxmax", "equal")


def _distance(evidence: Evidence, paper: float, extreme: str, direction: str) -> Finding:
    """Distances scale with the input: the paper's 224 px are brought to the size of this model's."""
    scale = evidence.crop / 224
    words = "equal to" if direction == "equal" else direction
    rule = f"the mean distance of the head is {words} {paper * scale:.4g} px, the paper's {paper:g} of 224 px"
    if evidence.attention is None:
        return Finding(rule, why="attention distances are not measured in this study")
    heads = evidence.attention.groupby(["layer", "head"])["distance_px"].mean()
    layer, head = getattr(heads, extreme)()
    part = evidence.attention[(evidence.attention["layer"] == layer) & (evidence.attention["head"] == head)]
    values, labels = part["distance_px"].to_numpy(), part["label"].to_numpy()
    low, high = stats.bootstrap(values, labels, **evidence.intervals)
    verdict, why = agreement(low, high, paper * scale, direction, 10 * scale)
    return Finding(rule, verdict, stats.class_mean(values, labels), low, high, "px", len(part), why)


def more_global_than_supervised(evidence: Evidence, paper: float) -> Finding:
    """Early attention is global, unlike that of a supervised ViT: the most local head of layer 1."""
    rule = "in layer 1 the most local head looks further than that of the supervised model; the whole interval above 0"
    if evidence.attention is None or evidence.attention_supervised is None:
        return Finding(rule, why="attention distances of both models are not measured in this study")
    by_image = [_most_local(frame) for frame in (evidence.attention, evidence.attention_supervised)]
    paired = pd.concat(by_image, axis=1, join="inner", keys=["own", "supervised"])
    difference, labels = (paired["own"] - paired["supervised"]).to_numpy(), paired.index.get_level_values("label")
    low, high = stats.bootstrap(difference, labels, **evidence.intervals)
    measured = stats.class_mean(difference, labels)
    return Finding(rule, beyond(low, high, 0), measured, low, high, "px", len(paired))


def _most_local(attention: pd.DataFrame) -> pd.Series:
    """Distance of each image in that head of layer 1 whose mean is smallest."""
    first = attention[attention["layer"] == 1]
    head = first.groupby("head")["distance_px"].mean().idxmin()
    return first[first["head"] == head].set_index(["label", "image"])["distance_px"]


def first_clustered_layer(evidence: Evidence, paper: float) -> Finding:
    """The first layer with class clusters: where the silhouette of mean tokens is half way up to its largest value.

    Depth is relative: the paper's layers are those of 12.
    """
    rule = (
        "the silhouette of mean tokens is above 0 and half way from layer 1 to its maximum at the paper's depth, "
        "give or take a twelfth of the layers"
    )
    if evidence.separation is None:
        return Finding(rule, why="the separation of classes by layer is not measured in this study")
    mean = evidence.separation.query("token == 'mean' and scope == 'all'")
    silhouette = mean.set_index("layer")["silhouette"].sort_index()
    half = (silhouette.iloc[0] + silhouette.max()) / 2
    if silhouette.idxmax() == silhouette.index[0]:
        return Finding(rule, FAILS, why="it is largest in layer 1")
    reached = silhouette.index[(silhouette >= half) & (silhouette > 0)]
    if not len(reached):
        return Finding(rule, FAILS, why="it is below 0 in every layer")
    layer, depth = int(reached[0]), silhouette.index.max() / 12
    return Finding(rule, HOLDS if abs(layer - paper * depth) <= depth else FAILS, layer, unit="layer")


def lowest_mask_norm(evidence: Evidence, paper: float) -> Finding:
    """Smallest norm of an image over random masks."""
    return _mask_norm(evidence, paper, "min")


def highest_mask_norm(evidence: Evidence, paper: float) -> Finding:
    """Largest norm of an image over random masks."""
    return _mask_norm(evidence, paper, "max")


def _mask_norm(evidence: Evidence, paper: float, extreme: str) -> Finding:
    if evidence.mask_invariance is None:
        return Finding("the paper's example lies within those here", why="masks are not compared in this study")
    norms = invariance.norms(evidence.mask_invariance).groupby(["label", "image"])["norm"]
    return _example(norms.agg(extreme), evidence, paper)


def growing_angles(evidence: Evidence, paper: float) -> Finding:
    """Subspaces of classes separate with depth, by more than halves of one class do.

    Pairs share classes, so classes are resampled and not pairs.
    """
    rule = (
        "from the first to the last layer the smallest angle between classes grows by more than that between halves "
        "of one class; the whole interval above 0"
    )
    if evidence.angles is None:
        return Finding(rule, why="angles between classes are not measured in this study")
    first = layertables.first_angles(evidence.angles)
    layers = first["layer"].min(), first["layer"].max()
    names = sorted(set(first.loc[first["kind"] == "between", "label_a"]) | set(first["label_b"].dropna()))
    between, within = (_growth(first[first["kind"] == kind], layers, names) for kind in ("between", "within"))
    other = ~np.eye(len(names), dtype=bool)
    measured = between[other].mean() - within.diagonal().mean()
    generator = seeds.generator(evidence.intervals["seed"], "classes")
    excess = []
    for drawn in generator.integers(0, len(names), (evidence.intervals["resamples"], len(names))):
        pairs = drawn[:, None] != drawn[None]  # a class drawn twice makes no pair with itself
        if pairs.any():
            excess.append(between[np.ix_(drawn, drawn)][pairs].mean() - within.diagonal()[drawn].mean())
    tail = (1 - evidence.intervals["confidence"]) / 2
    low, high = np.quantile(excess, [tail, 1 - tail])
    why = f"{len(names)} classes"
    if len(names) < 5:
        return Finding(rule, UNKNOWN, measured, low, high, "degrees", why=f"{why} are too few to resample")
    return Finding(rule, beyond(low, high, 0), measured, low, high, "degrees", why=why)


def _growth(angles: pd.DataFrame, layers: tuple[int, int], names: list[str]) -> np.ndarray:
    """Growth of an angle between two layers for each pair of classes, symmetric (classes, classes)."""
    pairs = angles.pivot_table(index=["label_a", "label_b"], columns="layer", values="angle_deg")
    growth = np.full((len(names), len(names)), np.nan)
    for (a, b), row in pairs.iterrows():
        growth[names.index(a), names.index(b)] = growth[names.index(b), names.index(a)] = (
            row[layers[1]] - row[layers[0]]
        )
    return growth


# ---- Heads -----------------------------------------------------------------------------------------------------------


def features_persist(evidence: Evidence, paper: float) -> Finding:
    """Features common to the clean images of a class that stay common under the strongest blur, as a share of them.

    Of all layers and heads together, then mean over classes, which are resampled.
    """
    rule = (
        "at the strongest blur at least half of the features common to the clean images of a class stay common (our "
        "reading of 'stay active'), and a larger share than of shuffled labels; both whole intervals"
    )
    if evidence.features is None:
        return Finding(rule, why="common features of heads are not measured in this study")
    last = evidence.features[evidence.features["level"] == evidence.strongest]
    sums = last.groupby("label")[[f"{kind}_{when}" for kind in KINDS for when in ("clean", "perturbed")]].sum()
    sums = sums[sums["common_clean"] > 0]
    if sums.empty:
        return Finding(rule, why="no feature is common to the clean images of a class")
    share, shuffled = (100 * sums[f"{kind}_perturbed"] / sums[f"{kind}_clean"] for kind in KINDS)
    low, high, more, most = (
        end
        for values in (share, share - shuffled)
        for end in stats.bootstrap(values.to_numpy(), ["all"] * len(values), **evidence.intervals)
    )
    why = f"{len(share)} classes; of shuffled labels {shuffled.mean():.3g} % stay"
    if len(share) < 5:
        return Finding(rule, UNKNOWN, share.mean(), low, high, "%", why=f"{why}; too few classes to resample")
    both = {beyond(low, high, 50), beyond(more, most, 0)}
    verdict = FAILS if FAILS in both else UNKNOWN if UNKNOWN in both else HOLDS
    return Finding(rule, verdict, share.mean(), low, high, "%", why=why)


CLAIMS: dict[str, Callable[[Evidence, float], Finding]] = {
    "accuracy with 90% of the most attended patches occluded (percent)": occluded_90,
    "accuracy stays high up to this occlusion (percent of patches)": stays_high,
    "mean cosine of correctly classified images at the strongest blur": cosine_correct,
    "mean cosine of misclassified images at the strongest blur": cosine_misclassified,
    "lowest absolute norm difference clean against perturbed (one example)": lowest_norm_difference,
    "highest absolute norm difference clean against perturbed (one example)": highest_norm_difference,
    "lowest norm over 100 random masks (one image)": lowest_mask_norm,
    "highest norm over 100 random masks (one image)": highest_mask_norm,
    "lowest mean attention distance over heads and layers (pixels)": lowest_distance,
    "highest mean attention distance over heads and layers (pixels)": highest_distance,
    "first layer at which class clusters emerge": first_clustered_layer,
    "top-1 of fine-tuned MAE ViT-B on all of ImageNet-1K val (He et al.; percent)": top_1_imagenet,
    "mean corruption error of fine-tuned MAE ViT-B on all of ImageNet-C (mCE)": mce,
    "top-1 on ImageNet-R with 200 classes (He et al.; percent)": top_1_r,
    "top-1 on ImageNet-A with 200 classes (He et al.; percent)": top_1_a,
    "attention is global from the first layer on, unlike that of a supervised ViT": more_global_than_supervised,
    "subspaces of classes become increasingly separable with depth": growing_angles,
    "features active in a head for a class stay active under blur": features_persist,
}

NOTES = [
    "Verdicts are about the model and images of this study, each by the rule in its row: where these are not the "
    "paper's, a claim that does not hold here may well hold there. Of what is not there, or measured too coarsely, "
    "nothing is said.",
    "Intervals: Wilson's for accuracies; bootstrap over images within classes for cosines, distances and changes, and "
    "over classes for angles and features; for a number that the paper gives of one image, the central share of "
    "images.",
]


def print_claims(table: pd.DataFrame) -> pd.DataFrame:
    """The table as text."""
    return pd.DataFrame(
        {
            "claim": table["claim"],
            "where": table["where"],
            "paper": [_short(value) for value in table["paper"]],
            "measured": [_measured(row) for _, row in table.iterrows()],
            "verdict": table["verdict"],
            "holds if": table["rule"],
            "remark": table["why"],
        }
    )


def _short(value: float) -> str:
    return "–" if pd.isna(value) else f"{value:.3g}"


def _measured(row: pd.Series) -> str:
    """The measured value with its interval and unit."""
    if pd.isna(row["measured"]):
        return "–"
    ends = "" if pd.isna(row["low"]) else f" [{_short(row['low'])}, {_short(row['high'])}]"
    return f"{_short(row['measured'])}{ends} {row['unit']}".rstrip()
