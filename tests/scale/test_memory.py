"""Peak memory does not grow with the number of images: extraction with patch tokens, and subspaces from its files."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import maescope

FEW, MANY = 150, 1500  # patch tokens of the second are 220 MB: whoever held them all would be noticed
PROGRAM = """
import sys
import pandas as pd
import torch
from maescope import extraction, images, models, perturb, store, subspaces
stage, count, folder = sys.argv[1], int(sys.argv[2]), sys.argv[3]
path = f"{folder}/{count}/cat.h5"
torch.set_num_threads(1)
if stage == "extraction":
    model = models.build("vit_tiny_patch16_224", {"img_size": 16, "patch_size": 4})
    crop = images.Preprocessing(16, 16, "bicubic", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    names = [str(number) for number in range(count)]
    rows = pd.DataFrame({"label": "cat", "image": names, "path": f"{folder}/cat.png", "target": 0})
    extractor = extraction.Extractor(model, perturb.Clean(), crop, patch=True, attention=True)
    for _ in extraction.extract(extractor, rows, {"cat": path}, None, {"config_hash": "h"}, 50):
        pass
else:
    files = store.token_files(["cat"], [path], "h")
    subspaces.bases(store.streamer(files, "clean", "patch"), 12, ["cat"], 10, "none")
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


def peak(stage, count, folder):
    """Peak memory in kB of a process of its own."""
    library = str(Path(maescope.__file__).parents[1])
    command = [sys.executable, "-c", PROGRAM, stage, str(count), str(folder)]
    done = subprocess.run(command, env={"PYTHONPATH": library}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from /proc")
def test_ten_times_the_images_take_no_more_memory(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "cat.png")
    for stage in ("extraction", "subspaces"):
        few, many = (peak(stage, count, tmp_path) for count in (FEW, MANY))
        assert many <= 1.1 * few, f"{stage}: {few} kB for {FEW} images, {many} kB for {MANY}"
