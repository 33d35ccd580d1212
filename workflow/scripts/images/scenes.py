"""scikit-learn's two photographs, cut into square pieces: a small folder of scenes."""

from pathlib import Path

from PIL import Image
from sklearn.datasets import load_sample_images

from maescope.base import logs, provenance

logs.begin(snakemake)

tile, folder = snakemake.params.tile, Path(snakemake.output.pictures, "photographs")
folder.mkdir(parents=True)
for photograph, pixels in enumerate(load_sample_images().images):
    for top in range(0, pixels.shape[0] - tile + 1, tile):
        for left in range(0, pixels.shape[1] - tile + 1, tile):
            piece = Image.fromarray(pixels[top : top + tile, left : left + tile])
            piece.save(folder / f"{photograph}_{top:03d}_{left:03d}.png")
provenance.record(snakemake.output.pictures)
