"""Whether accuracy could be guessing. Apart from `accuracy`, because the check before extraction needs it as well."""

import logging

import pandas as pd
from scipy.special import bdtr  # scipy.stats.binom.cdf, without importing all of scipy.stats

log = logging.getLogger(__name__)


def near_chance(clean: pd.Series, classes: int) -> bool:
    """Whether so many right answers could be guessing.

    Parameters
    ----------
    clean : right or wrong, of each clean image
    """
    right, images = int(clean.sum()), len(clean)
    fewer = bdtr(right - 1, images, 1 / classes) if right else 0.0  # how often guessing gives fewer right answers
    return bool(images) and bool(fewer < 0.999)


def warn_near_chance(measure: pd.DataFrame, classes: int) -> None:
    """Say so loudly where the clean accuracy could be guessing: most often the labels are in the wrong order."""
    clean = measure.loc[measure["level"] == "clean", "correct"]
    if near_chance(clean, classes):
        log.critical(
            "CLEAN ACCURACY NEAR CHANCE: %.1f %% of %d images among %d classes. Do `classes` follow the order of the "
            "head's outputs, and are preprocessing and pooling those of the model?",
            100 * clean.mean(),
            len(clean),
            classes,
        )
