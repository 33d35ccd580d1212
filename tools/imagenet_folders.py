"""Sort ImageNet's validation images into a folder for each synset.

python tools/imagenet_folders.py SOURCE TARGET [--labels LABELS]

SOURCE: a flat folder of images, a tar, a parquet file, or a folder of those
TARGET: <TARGET>/<synset>/<image>; links to the images of a folder, files otherwise
LABELS: Kaggle's LOC_val_solution.csv, or the unpacked devkit; not needed where the source tells the synsets
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow/scripts"))

from maescope.base.errors import InputError
from maescope.images import imagenet_folders

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("source")
parser.add_argument("target")
parser.add_argument("--labels")
options = parser.parse_args()
try:
    done = imagenet_folders.to_folders(options.source, options.target, options.labels)
except InputError as error:
    sys.exit(f"error: {error}")
print(f"{done.total()} images of {len(done)} synsets in {options.target}")
if done.total() != imagenet_folders.VALIDATION_IMAGES:  # a tar that was cut between two images reads as a shorter one
    print(
        f"warning: the validation split has {imagenet_folders.VALIDATION_IMAGES}; is {options.source} whole?",
        file=sys.stderr,
    )
