"""What the layers of a model say about images, and the HDF5 files that keep it."""
