#!/usr/bin/env bash
# The RandAugment of MAE's fine-tuning ends a training at one image in a thousand, with a recent Pillow.
#
# One would guess that rand-m9-mstd0.5-inc1, the policy of the official recipe, can be drawn for any picture. But timm
# draws its magnitude from a normal distribution cut at 10, where PosterizeIncreasing keeps 0 bits of each colour, and
# asks ImageOps.posterize for it. Pillow made a black picture of that once, and refuses it as of 13.0 (its documentation
# always said 1 to 8). The error comes out of a worker of a DataLoader and names neither the picture nor the policy.
#
# Version: timm 1.0.31, Pillow 13.0.0 (Python 3.11). Source: timm/data/auto_augment.py, posterize and
# _posterize_increasing_level_to_arg; PIL/ImageOps.py, posterize.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install -q --no-deps timm==1.0.31 pillow==13.0.0 numpy
"$folder/venv/bin/python" - <<'PYTHON'
import importlib.util
import random
from pathlib import Path

import numpy
import PIL
from PIL import Image

# The module alone: importing timm would need torch, and this does not.
timm = Path(importlib.util.find_spec("PIL").origin).parents[1] / "timm"
spec = importlib.util.spec_from_file_location("auto_augment", timm / "data/auto_augment.py")
auto_augment = importlib.util.module_from_spec(spec)
spec.loader.exec_module(auto_augment)

augment = auto_augment.rand_augment_transform("rand-m9-mstd0.5-inc1", {})
picture, failed = Image.new("RGB", (16, 16), (200, 100, 50)), []
for seed in range(10000):
    random.seed(seed)
    numpy.random.seed(seed)
    try:
        augment(picture)
    except ValueError as error:
        failed.append(str(error))
print(f"Pillow {PIL.__version__}: {len(failed)} of 10000 draws fail: {', '.join(set(failed))}")
raise SystemExit(not failed)
PYTHON
