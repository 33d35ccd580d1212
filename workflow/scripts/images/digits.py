"""scikit-learn's digits as folders of 8 x 8 px pictures, split into train and test, each class in proportion."""

from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from maescope.base import logs, provenance

logs.begin(snakemake)

digits = load_digits()
train, test = train_test_split(
    np.arange(len(digits.target)),
    train_size=snakemake.params.train_images,
    stratify=digits.target,
    random_state=snakemake.params.seed,
)
for folder, numbers in ((snakemake.output.train, train), (snakemake.output.test, test)):
    for number in sorted(numbers):
        label = Path(folder, str(digits.target[number]))
        label.mkdir(parents=True, exist_ok=True)
        grey = np.round(digits.images[number] * 255 / 16).astype(np.uint8)  # 17 levels
        Image.fromarray(grey).save(label / f"{number:04d}.png")
    provenance.record(folder)
