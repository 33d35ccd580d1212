"""PSNR against clean on real pictures: ours, the re-derivation's with its own random numbers, and docs/corruptions.md.

The page also has what the published files gave; that was measured by hand and is only compared here. Each severity is
held against the definitions pixel by pixel in `test_corruptions`; so here, where a mean is of up to 160 pictures, a
severity or two of each corruption are measured again, another one of each, and all of them where MAESCOPE_SOAK is set.
"""

import os
import re
from pathlib import Path

import numpy as np
import pytest

import rederived
from maescope.images.corruptions import CORRUPTIONS, SEVERITIES, corrupt

PAGE = Path(__file__).parents[3] / "docs/corruptions.md"
OTHERS = ("glass_blur", "motion_blur", "snow", "frost", "fog", "elastic_transform")  # the nine are tested more strictly
WITHIN = 0.05  # dB; the page has two decimals


def documented():
    """{(size, name): array (severities, 3)} of PSNR ours, re-derived and as published, from the tables of the page."""
    values, size = {}, None
    for line in PAGE.read_text().splitlines():
        if heading := re.match(r"### (\d+) px", line):
            size = int(heading[1])
        elif line.startswith("| `") and line.count(" / ") == 2 * len(SEVERITIES):
            name, *cells = line.strip("| ").split(" | ")
            values[size, name.strip("`")] = np.array([[float(x) for x in cell.split(" / ")] for cell in cells])
    return values


def some(name, size, count):
    """So many severities, other ones for each corruption and size."""
    first = CORRUPTIONS.index(name) + rederived.SIZES.index(size)
    return SEVERITIES if "MAESCOPE_SOAK" in os.environ else [SEVERITIES[(first + 2 * n) % 5] for n in range(count)]


def require(documented, measured):
    """The numbers of the page are those measured, severity by severity."""
    found = [documented[severity - 1] for severity in measured]
    np.testing.assert_allclose(found, list(measured.values()), rtol=0, atol=WITHIN)


def our_psnr(name, size, severity):
    return rederived.mean_psnr(lambda x, seed: corrupt(x, name, severity, seed), name, size, severity, first_seed=0)


def test_the_page_lists_all_corruptions_sizes_and_severities():
    values = documented()
    assert list(values) == [(size, name) for size in rederived.SIZES for name in CORRUPTIONS]
    assert all(table.shape == (len(SEVERITIES), 3) for table in values.values())


@pytest.mark.parametrize("size", rederived.SIZES)
@pytest.mark.parametrize("name", CORRUPTIONS)
def test_the_page_says_what_the_functions_give(name, size):
    ours = {severity: our_psnr(name, size, severity) for severity in some(name, size, 2)}
    require(documented()[size, name][:, 0], ours)


@pytest.mark.parametrize("size", rederived.SIZES)
@pytest.mark.parametrize("name", OTHERS)
def test_psnr_is_within_1_db_of_the_rederivation_and_of_the_published_files(name, size):
    ours, theirs, published = documented()[size, name].T
    require(theirs, {severity: rederived.rederived_psnr(name, size, severity) for severity in some(name, size, 1)})
    np.testing.assert_array_less(abs(ours - theirs), 1)
    np.testing.assert_array_less(abs(ours - published), 1)


def test_psnr_of_the_others_is_the_same_up_to_single_levels_and_noise():
    for (_, name), (ours, theirs, published) in ((key, table.T) for key, table in documented().items()):
        if name not in OTHERS:
            np.testing.assert_array_less(abs(ours - theirs), 0.2)
            np.testing.assert_array_less(abs(ours - published), 0.2)
