"""Peak memory does not grow with the number of images: extraction with patch tokens, and subspaces from its files."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import maescope

EACH = 10  # images of a label
FEW, MANY = 500, 5000  # patch tokens of the second are 740 MB: whoever held a part of them would be noticed
PROGRAM = """
import sys
import pandas as pd
import torch
from maescope.base import memory
from maescope.images import perturbations, reading
from maescope.measures import subspaces
from maescope.models import architectures
from maescope.tokens import extraction, store
stage, count, each, folder = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
labels = [f"label {number:03d}" for number in range(count // each)]
paths = [f"{folder}/{count}/{label}.h5" for label in labels]
torch.set_num_threads(1)
if stage == "extraction":
    model = architectures.build("vit_tiny_patch16_224", {"img_size": 16, "patch_size": 4})
    crop = reading.Preprocessing(16, 16, "bicubic", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    names = [f"{label}/{number}" for label in labels for number in range(each)]
    own = [label for label in labels for _ in range(each)]
    rows = pd.DataFrame({"label": own, "image": names, "path": f"{folder}/cat.png", "target": 0})
    extractor = extraction.Extractor(model, perturbations.Clean(), crop, patch=True, attention=True)
    outputs = dict(zip(labels, paths))
    memory.keep_freed()
    for _ in extraction.extract(extractor, rows, outputs, None, {"config_hash": "h"}, 50):
        pass
else:
    files = store.token_files(labels, f"{folder}/{count}", "h")
    subspaces.bases(store.streamer(files, "clean", "patch"), 2, labels, 5, "none")
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


def peak(stage, count, folder):
    """Peak memory in kB of a process of its own."""
    environment = {"PYTHONPATH": str(Path(maescope.__file__).parents[1]), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", PROGRAM, stage, str(count), str(EACH), str(folder)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from /proc")
def test_5000_images_of_500_labels_take_no_more_memory_than_500_of_50(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "cat.png")
    for stage in ("extraction", "subspaces"):
        few, many = (peak(stage, count, tmp_path) for count in (FEW, MANY))
        print(f"{stage}: {few} kB for {FEW} images, {many} kB for {MANY}")
        assert many <= 1.1 * few, f"{stage}: {few} kB for {FEW} images, {many} kB for {MANY}"
