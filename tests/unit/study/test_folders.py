"""Named folders stand in every path of a configuration, and nothing else is touched."""

import pytest
import yaml

from maescope.base.errors import InputError
from maescope.study import folders

CONFIG = yaml.safe_load(
    """
folders: {imagenet: /data/imagenet, variants: /variants/, checkpoints: my models}
study: {paper: config/paper}
datasets:
  val: {pattern: "{imagenet}/val/{label}/*.JPEG", labels: [a, b], count: 50}
  sam: {pattern: "{variants}/{label}/*.jpg", classes: "{imagenet}/classes.txt"}
models: {vit: {weights: "{checkpoints}/vit.pth", arguments: {img_size: 32}}}
perturbations: {snow: {kind: corruption, folder: "{variants}/imagenet-c"}}
"""
)


def test_names_are_filled_in_at_every_depth_and_the_label_stays():
    found = folders.resolve(CONFIG)
    assert found["datasets"]["val"] == {
        "pattern": "/data/imagenet/val/{label}/*.JPEG",
        "labels": ["a", "b"],
        "count": 50,
    }
    assert found["datasets"]["sam"] == {"pattern": "/variants/{label}/*.jpg", "classes": "/data/imagenet/classes.txt"}
    assert found["models"]["vit"] == {"weights": "my models/vit.pth", "arguments": {"img_size": 32}}
    assert found["perturbations"]["snow"]["folder"] == "/variants/imagenet-c"
    assert found["study"] == CONFIG["study"]


def test_a_name_without_a_folder_is_refused_with_its_key():
    config = {"folders": {"imagenet": "/data"}, "datasets": {"val": {"pattern": "{imgnet}/{label}"}}, "x": ["{y}"]}
    with pytest.raises(
        InputError, match=r"datasets\.val\.pattern: \{imgnet\} is not among folders \(known: imagenet\)"
    ) as e:
        folders.resolve(config)
    assert "x.0: {y} is not among folders" in str(e.value)
