"""The studies that come with maescope: what they show, and that none makes again what is another's."""

import itertools
import re

import jinja2
import pytest
import yaml
from conftest import REPOSITORY, SCHEMA

from maescope.study import settings
from maescope.study.target_lookups import TargetLookUps

EMBEDDED = ["quick", "config", "sweep"]


def written(name):
    return yaml.safe_load((REPOSITORY / f"config/{name}.yaml").read_text())


def checked(name):
    return settings.check(written(name), SCHEMA)


def test_the_quick_study_and_the_default_leave_out_no_figure_and_no_table():
    """Each condition of `rule all` but that of a sweep holds."""
    conditions = set(re.findall(r" if (.+?) else \[\],", (REPOSITORY / "Snakefile").read_text()))
    assert len(conditions) >= 8
    for name in ("quick", "config"):
        config = checked(name)
        given = {"STUDY": config["study"], "look": TargetLookUps(config), "len": len}
        left_out = {condition for condition in conditions if not eval(condition, {"__builtins__": {}}, given)}
        assert left_out == {'STUDY["sweep"]'}, name


def test_the_quick_study_says_on_the_first_page_what_its_numbers_are_worth():
    page = jinja2.Template((REPOSITORY / "workflow/report/overview.rst").read_text())
    quick, default = ({"config": written(name)} for name in ("quick", "config"))
    assert "say nothing" in page.render(snakemake=quick, categories=[]).split("**Note.**")[1]
    assert "**Note.**" not in page.render(snakemake=default, categories=[])


@pytest.mark.parametrize("one, other", list(itertools.combinations(EMBEDDED, 2)))
def test_what_has_one_name_in_two_embedded_studies_is_one_thing(one, other):
    """Their results lie side by side, and models and lists of images are shared by name."""
    one, other = checked(one), checked(other)
    assert one["seed"] == other["seed"] and one["study"]["name"] != other["study"]["name"]
    for part in ("datasets", "models"):
        for name in one[part].keys() & other[part].keys():
            assert one[part][name] == other[part][name], name
