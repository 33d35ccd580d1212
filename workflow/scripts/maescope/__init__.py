"""maescope: looks inside masked autoencoders.

Arrays in, arrays out: pictures are opened by `images`, weights by `models`, token files by `tokens.store`, CSV and
Parquet by `base.tidy`; measures, tables, claims and figures open nothing. None of it knows of Snakemake. The wings,
along the data: base, study, images, models, tokens, measures, tables, claims, figures, verify; each imports only those
before it.

The letters in docstrings and shape comments, everywhere:

    B    images (of a batch, or of a label)
    L    encoder layers (blocks); 1-based in every output, as in the paper
    H    attention heads; 1-based in every output
    N    patch tokens of the full image
    N_v  patch tokens that the encoder sees (N, or fewer under a mask)
    T    tokens in the encoder, prefix (CLS) included: N_v + 1
    D    width of the encoder
    d    width of a head, D / H
    C    classes of the model's head
    K    levels of a perturbation

"The paper" is Shrivastava, Rameshan and Agnihotri, Robust Representation Learning in Masked Autoencoders,
arXiv 2602.03531; "Kong" is Kong et al., Understanding Masked Autoencoders via Hierarchical Latent Variable
Models, CVPR 2023.
"""


def __getattr__(name: str) -> str:
    """`__version__`, looked up where it is asked for, so that a release is no other code to the rules."""
    if name != "__version__":
        raise AttributeError(f"module 'maescope' has no attribute {name!r}")
    from importlib import import_module

    return import_module("maescope.base.version").__version__
