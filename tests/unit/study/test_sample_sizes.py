"""What a study needs of a sample, against what sampling found: the numbers of each refusal are known on paper."""

import json
import os
from types import SimpleNamespace

import pytest
import yaml
from conftest import REPOSITORY, SCHEMA, SMALLEST

from maescope.base import provenance
from maescope.base.errors import InputError
from maescope.study import sample_sizes, settings
from maescope.study.lookups import LookUps


def checked(**changes):
    """The embedded study without a count, subspaces that one image spans, and values at dotted paths changed."""
    config = yaml.safe_load((REPOSITORY / "config/config.yaml").read_text())
    own = {"datasets.digits.count": None, "datasets.digits.labels": ["0", "1", "2"], "analysis.subspace.k": 9}
    for path, value in (own | changes).items():
        *parents, key = path.split(".")
        inner = config
        for parent in parents:
            inner = inner.setdefault(parent, {})
        inner[key] = value
    return settings.check(config, SCHEMA)


def said(counts, measures=("separation", "tsne", "subspaces"), **changes):
    """What is said of a sample of so many images of the labels 0, 1, 2, of which some measures are asked for."""
    config = checked(**changes)
    job = (config["study"]["pretrained"], "digits", config["study"]["mask"], config)
    demands = [demand for measure in measures for demand in sample_sizes.asked(measure, *job)]
    try:
        sample_sizes.require(dict(zip("012", counts, strict=True)), demands, "results/images/digits.csv")
    except InputError as error:
        return str(error).split("\n")
    return []


REMEDY = " (results/images/digits.csv; delete it once there are more); change the key, or add images"


def test_three_classes_of_six_are_too_few_for_a_perplexity_of_30():
    """morphoclass, thread 22: 18 points; the seed of 5 neighbours and of 5 folds is enough."""
    assert said([6, 6, 6]) == [
        f"analysis.perplexity: 30 must be below the number of points that t-SNE shows, but there are 18{REMEDY}"
    ]
    assert said([11, 10, 10]) == [] != said([10, 10, 10])  # 31 points, 30 points
    for measures in (["separation"], ["subspaces"], ["accuracy"], ["mask_invariance"]):  # which draw no maps
        assert said([6, 6, 6], measures) == []


def test_the_smallest_class_is_too_small_for_the_folds():
    """morphoclass, thread 22: 40, 40 and 3 images. Of each 30 are shown, 63 in all, which is enough for t-SNE."""
    assert said([40, 40, 3]) == [f"analysis.folds: 5 folds need as many images of each label, but 2 has 3{REMEDY}"]
    assert said([40, 40, 5]) == [] == said([40, 40, 3], ["tsne", "subspaces"])


def test_neighbours_are_counted_among_the_images_shown():
    changes = {"analysis.neighbours": 61, "study.tsne": {"images": 21, "labels": ["0", "1", "2"]}}
    assert said([40, 40, 21], **changes) == []  # of 63, 62 others: 61 is below
    assert said([40, 40, 20], **changes) == [
        f"analysis.neighbours: 61 need 63 images or more that t-SNE shows, but there are 62{REMEDY}"
    ]


def test_half_a_class_must_span_its_subspace():
    """9 of 36 patches are visible: 40 dimensions need 5 images of half a class, 10 in all."""
    (problem,) = said([40, 40, 9], **{"analysis.subspace": {"k": [5, 40]}})
    assert problem == (
        "analysis.subspace.k: 40 dimensions, of 9 patches of half the images, need 10 per label, but 2 has 9" + REMEDY
    )
    assert said([40, 40, 10], **{"analysis.subspace": {"k": [5, 40]}}) == []


def test_other_images_and_other_measures_ask_nothing():
    config = checked()
    assert sample_sizes.asked("tsne", "mae_pretrained", "digits_train", "clean", config) == []
    assert sample_sizes.asked("accuracy", "mae_pretrained", "digits", "clean", config) == []


def test_images_under_many_masks_are_compared():
    config = checked(**{"datasets.digits_few.count": None, "datasets.digits_few.labels": ["0"]})
    demands = sample_sizes.asked("mask_invariance", "mae_pretrained", "digits_few", "mask_variants", config)
    with pytest.raises(
        InputError, match=r"study\.mask_variants\.dataset: images are compared, 2 or more, but there are 1"
    ):
        sample_sizes.require({"0": 1}, demands, "x.csv")
    sample_sizes.require({"0": 2}, demands, "x.csv")
    assert sample_sizes.asked("mask_invariance", "mae_pretrained", "digits", "mask_variants", config) == []


def test_a_label_that_holds_a_comma_or_a_line_end_is_counted_once(tmp_path):
    (tmp_path / "x.csv").write_text('label,image,path,target\n"a,b",1,1,0\n"a,b",2,2,0\ncafé,3,3,1\n')
    assert sample_sizes.counted(str(tmp_path / "x.csv")) == {"a,b": 2, "café": 1}


@pytest.fixture
def sampled(tmp_path, monkeypatch):
    """A place with the sampled list of 40, 40 and 3 images, and its record."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results/images").mkdir(parents=True)
    rows = [
        f"{label},{n}.png,p/{label}/{n}.png,0"
        for label, count in {"0": 40, "1": 40, "2": 3}.items()
        for n in range(count)
    ]
    (tmp_path / "results/images/digits.csv").write_text("label,image,path,target\n" + "\n".join(rows))

    def recorded(config, inputs=None):
        record = provenance.record_path("results/images/digits.csv")
        record.parent.mkdir(parents=True, exist_ok=True)
        made = {"dataset": config["datasets"]["digits"], "seed": config["seed"]}
        whole = {"sha256": "", "sources": {}}
        record.write_text(json.dumps(whole | {"settings": provenance.plain(made), "inputs": inputs or {}}))

    return recorded


def job(**names):
    """The wildcards of a job."""
    return SimpleNamespace(**{"model": "mae_pretrained", "dataset": "digits", "perturbation": "mask"} | names)


def test_a_sample_that_is_there_is_held_against_a_measure_while_planning(sampled):
    config = checked()
    sampled(config)
    look = LookUps(config)
    held = look.asking("separation", look.tokens)
    with pytest.raises(InputError, match=r"analysis\.folds: 5 folds need as many images of each label, but 2 has 3"):
        held(job())
    for measure in ("accuracy", "subspaces", "tsne"):  # which need no folds
        assert look.asking(measure, look.tokens)(job()) == look.tokens(job())
    assert look.images(job(perturbation="clean")) == "results/images/digits.csv"  # nor does an extraction
    look = LookUps(checked(**{"analysis.folds": 3}))
    assert look.asking("separation", look.tokens)(job()) == look.tokens(job())


def test_a_sample_that_will_be_drawn_again_is_left_to_its_check(sampled):
    config = checked()
    LookUps(config).require_enough("separation", job())  # without a record nobody knows
    sampled(checked(**{"datasets.digits.on_bad_image": "skip"}))
    LookUps(config).require_enough("separation", job())
    sampled(checked(seed=1))
    LookUps(config).require_enough("separation", job())


def test_a_sample_of_a_list_that_was_edited_is_left_to_its_check(sampled, tmp_path):
    config, listed = checked(), tmp_path / "l.csv"
    del config["datasets"]["digits"]["pattern"]
    config["datasets"]["digits"]["list"] = str(listed)
    listed.write_text("path,label\n")
    sampled(config, {"l.csv": provenance.digest(listed)})
    os.utime(listed)  # newer, and the same
    with pytest.raises(InputError, match=r"analysis\.folds: 5 folds need as many images of each label, but 2 has 3"):
        LookUps(config).require_enough("separation", job())
    listed.write_text("path,label\n2/3.png,2\n2/4.png,2\n")
    os.utime(listed, (4e9, 4e9))
    LookUps(config).require_enough("separation", job())


def test_the_record_of_a_sample_is_read_once_for_each_demand(sampled, monkeypatch):
    config = checked(**{"analysis.folds": 3})
    sampled(config)
    look, reads, read = LookUps(config), [], provenance.recorded
    monkeypatch.setattr(provenance, "recorded", lambda path: reads.append(path) or read(path))
    for _ in range(9):
        look.require_enough("separation", job())
        look.require_enough("accuracy", job())
    assert len(reads) == 1


def test_the_check_of_a_sample_is_told_what_this_run_asks(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    look = LookUps(checked())
    assert look.asked_of_sample(job()) is None  # as of a measure of accuracy
    for _ in range(2):
        look.asking("tsne", look.tokens)(job())
    assert json.loads(look.asked_of_sample(job())) == sample_sizes.asked("tsne", "", "digits", "mask", look.config)
    assert look.asked_of_sample(job(dataset="digits_train")) is None


def test_only_a_sample_whose_size_only_sampling_tells_is_checked():
    look = LookUps(settings.check(yaml.safe_load(SMALLEST.read_text()), SCHEMA))
    name = look.study["dataset"]
    of = type("Wildcards", (), {"dataset": name})
    assert look.datasets[name]["count"] and look.check_sample(of) == []
    look.datasets[name]["allow_fewer"] = True
    assert look.check_sample(of) == f"results/check_sample/{name}.json"
    look.datasets[name] |= {"allow_fewer": False, "count": None}
    assert look.check_sample(of) == f"results/check_sample/{name}.json"


@pytest.mark.parametrize("damaged", [b"", b"\xff\xfe" * 40, b"a,b\n1,2\n", b"\0" * 40])
def test_a_list_of_images_that_is_damaged_is_named(tmp_path, damaged):
    path = tmp_path / "pets.csv"
    path.write_bytes(b"label,image\ncat,1.png\ndog,2.png\ncat,3.png\n")
    assert sample_sizes.counted(str(path)) == {"cat": 2, "dog": 1}
    path.write_bytes(damaged)
    with pytest.raises(InputError, match=r"pets\.csv: is damaged; delete it"):
        sample_sizes.counted(str(path))
