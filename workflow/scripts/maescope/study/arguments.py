"""What may not stand in a model's `architecture` and `arguments`, as far as it can be known before timm builds it."""

import re
from collections.abc import Iterator

from maescope.study import sizes

PLACE = re.compile("(hf[-_]hub|local-dir):(.*/)?")  # before the name of a model that timm is to look for elsewhere
ELSEWHERE = {  # arguments that timm takes and a job may not give, and what says the same
    "pretrained": "leave it out; weights: hub:<architecture> names them, and `snakemake download` fetches them",
    "checkpoint_path": "leave it out; `weights` names the file",
    "num_classes": "leave it out; `num_classes` beside `arguments` says the same",
    "global_pool": "leave it out; `pooling` beside `arguments` says the same",
}


def problems(name: str, model: dict) -> Iterator[str]:
    """Arguments that lead to the network, to other inputs than ours, or to sizes that do not divide each other."""
    key, arguments, training = f"models.{name}", model["arguments"], model["training"]
    if place := PLACE.match(model["architecture"]):
        own = model["architecture"].removeprefix(place[0])
        yield (
            f"{key}.architecture: {model['architecture']} is looked up outside of timm, and no job may go to the "
            f"network; write {own} and weights: hub:{own}, which `snakemake download` fetches"
        )
    for argument, remedy in ELSEWHERE.items():
        if arguments.get(argument) not in (None, False):
            yield f"{key}.arguments.{argument}: {arguments[argument]}; {remedy}"
    if arguments.get("in_chans", 3) != 3:
        yield f"{key}.arguments.in_chans: {arguments['in_chans']}, but pictures are read as red, green and blue: 3"
    if training and "resample_positions" in model:
        yield f"{key}.resample_positions: a model that is trained here is of the size of its crops; leave it out"
    if model["pooling"] == "token" and not sizes.has_cls(model):
        yield (
            f"{key}.pooling: token reads CLS, but {name} has no CLS token; set avg, or map where the head pools by "
            "attention (SigLIP)"
        )
    width, heads = sizes.width_of(model), sizes.heads_of(model)
    if width and heads and width % heads and "embed_dim" in arguments:
        yield f"{key}.arguments.embed_dim: {width} is no multiple of the {heads} attention heads (num_heads)"
    elif width and heads and width % heads:
        own = f"the width of {width} (of {model['architecture']})"
        yield f"{key}.arguments.num_heads: {heads} heads do not divide {own}"
    if training and training["recipe"] == "pretrain":
        yield from _pretraining_problems(key, model, width)


def _pretraining_problems(key: str, model: dict, width: int | None) -> Iterator[str]:
    """What MAE's pretraining cannot do, which knows one prefix token, CLS, and fixed sine-cosine positions."""
    arguments, decoder = model["arguments"], model["training"]["decoder"]
    if sizes.needs_all_patches(model):
        yield f"{key}.training: a BEiT needs all patches and cannot be pretrained with a mask; take a ViT"
    registers = 0 if sizes.is_eva(model) else sizes.registers_of(model)
    if sizes.is_eva(model):
        yield f"{key}.training: pretraining here knows no rotary positions, as {model['architecture']} has; take a ViT"
    if not sizes.has_cls(model):
        yield f"{key}.training: pretraining here needs a CLS token; {model['architecture']} has none, take another ViT"
    if model["pooling"] == "map":
        yield f"{key}.pooling: map, but pretraining here has no head that would pool; set avg or token"
    if registers and "reg_tokens" in arguments:
        yield f"{key}.arguments.reg_tokens: {registers}, but pretraining here knows no register tokens; leave them out"
    elif registers:
        yield (
            f"{key}.architecture: {model['architecture']} has {registers} register tokens, but pretraining here knows "
            f"none; take one without _reg{registers}"
        )
    if arguments.get("no_embed_class"):
        yield f"{key}.arguments.no_embed_class: true, but pretraining here gives CLS a position; leave it out"
    if width and width % 4:
        yield f"{key}.arguments.embed_dim: {width} is no multiple of 4, as sine-cosine positions in 2D need"
    if decoder["width"] % decoder["heads"]:
        yield f"{key}.training.decoder.width: {decoder['width']} is no multiple of the {decoder['heads']} heads"
