"""The names that weights have in files as people have them, and what timm calls the same: one table.

A layout is known by two names in it, that of the weights that make patches of pixels and one that every block has;
what stands before the first is a prefix of the whole model. Nothing is guessed: a file of two models, or of names of
both kinds, is refused with what tells them apart.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from maescope.base.errors import InputError
from maescope.models.layout_moves import (
    State,
    dinov3_of_hugging_face,
    eva,
    of_eva_02,
    one_cls,
    own_biases,
    pooling,
    projection,
    queries_keys_values,
    registers,
    several_cls,
    without_key_bias,
)

WRAPPERS = re.compile(r"_orig_mod\.|_fsdp_wrapped_module\.|_checkpoint_wrapped_module\.")  # of torch, anywhere in names
DISTRIBUTED = "module."  # before all names, as torch.nn.parallel.DistributedDataParallel has them
HEADS = r"(head|classifier|fc|linear)\.(weight|bias)$"  # what people call the linear layer beside a backbone
NORMS = r"[^.]*(bn|norm)[^.]*\.(weight|bias|running_mean|running_var)$"  # what may lie before that
NECK = r"neck\.(?!decoder_|mask_token)"  # likewise, where it is not the decoder of a masked autoencoder
PROBE = (
    "neck.bn."  # the batch norm of MMPretrain's linear probes, whose epsilon is that of MAE's, if nobody set another
)
SHOWN = 5  # groups of names left aside that a sentence has


# ---- The table


@dataclass(frozen=True)
class Naming:
    """How a library calls the parts of a vision transformer. Patterns are matched behind the prefix of the model."""

    of: str  # who names so, as it is told
    patches: str  # the name of the weights that make patches
    block: str  # pattern of a name that every block has
    rules: tuple[tuple[str, str], ...] = ()  # pattern -> what timm has instead; all are applied, one after another
    dropped: str = "(?!)"  # pattern of names that no encoder or head has
    head: str = "(?!)"  # pattern of the head's names where it lies beside the prefix
    moves: tuple[Callable[[State], State], ...] = ()


@dataclass(frozen=True)
class Layout:
    """A row: a naming, and what is special in files of one origin."""

    name: str
    naming: Naming
    prefixes: tuple[str, ...] = ()  # by which it is known; where a file has several, the first is meant
    sign: Callable[[State], bool] = lambda state: True  # of names behind the prefix
    dropped: str = "(?!)"
    moves: tuple[Callable[[State], State], ...] = ()
    heads: dict[int, int] = field(default_factory=dict)  # of a width, where they are not what timm has
    eps: float | None = None  # of all layer norms, where the library has but one


TIMM = Naming(
    of="timm",
    patches="patch_embed.proj.weight",
    block=r"blocks\.(\d+\.)?\d+\.norm1\.weight",
    rules=(
        (r"^blocks\.\d+\.(\d+)\.", r"blocks.\1."),  # chunks of DINOv2, which count on
        (r"(^blocks\.\d+\.mlp\.)w12\.", r"\1fc1."),
        (r"(^blocks\.\d+\.mlp\.)w3\.", r"\1fc2."),
    ),
    head=HEADS,
)
HUGGING_FACE = Naming(
    of="Hugging Face",
    patches="embeddings.patch_embeddings.projection.weight",
    block=r"(encoder\.layer|layers|layer)\.\d+\.(layernorm_before|norm1)\.weight",
    rules=(
        (r"^embeddings\.cls_token$", "cls_token"),
        (r"^embeddings\.position_embeddings$", "pos_embed"),
        (r"^embeddings\.register_tokens$", "register_tokens"),
        (r"^embeddings\.distillation_token$", "dist_token"),
        (r"^embeddings\.patch_embeddings\.projection\.", "patch_embed.proj."),
        (r"^(encoder\.layer|layers|layer)\.(\d+)\.", r"blocks.\2."),
        (r"^(blocks\.\d+)\.layernorm_before\.", r"\1.norm1."),
        (r"^(blocks\.\d+)\.layernorm_after\.", r"\1.norm2."),
        (r"^(blocks\.\d+)\.attention\.(attention\.)?(query|key|value)\.", r"\1.attn.\3."),
        (r"^(blocks\.\d+)\.attention\.q_proj\.", r"\1.attn.query."),
        (r"^(blocks\.\d+)\.attention\.k_proj\.", r"\1.attn.key."),
        (r"^(blocks\.\d+)\.attention\.v_proj\.", r"\1.attn.value."),
        (r"^(blocks\.\d+)\.attention\.(output\.dense|o_proj)\.", r"\1.attn.proj."),
        (r"^(blocks\.\d+)\.(intermediate\.dense|mlp\.weights_in)\.", r"\1.mlp.fc1."),
        (r"^(blocks\.\d+)\.(output\.dense|mlp\.weights_out|mlp\.down_proj)\.", r"\1.mlp.fc2."),
        (r"^(blocks\.\d+)\.layer_scale([12])\.lambda1$", r"\1.ls\2.gamma"),
        (r"^layernorm\.", "norm."),
    ),
    dropped=r"embeddings\.mask_token$|pooler\.",
    head=r"(classifier)\.(weight|bias)$",
    moves=(queries_keys_values,),
)
MMPRETRAIN = Naming(
    of="MMPretrain",
    patches="patch_embed.projection.weight",
    block=r"layers\.\d+\.ln1\.weight",
    rules=(
        (r"^patch_embed\.projection\.", "patch_embed.proj."),
        (r"^layers\.(\d+)\.ln([12])\.", r"blocks.\1.norm\2."),
        (r"^layers\.(\d+)\.ffn\.layers\.0\.0\.", r"blocks.\1.mlp.fc1."),
        (r"^layers\.(\d+)\.ffn\.layers\.1\.", r"blocks.\1.mlp.fc2."),
        (r"^layers\.", "blocks."),
        (r"^ln1\.", "norm."),
        (r"^ln2\.", "fc_norm."),
    ),
    dropped=r"mask_token$",
    head=r"(head\.fc|head\.layers\.head)\.(weight|bias)$",
)
OPEN_CLIP = Naming(
    of="OpenCLIP",
    patches="conv1.weight",
    block=r"transformer\.resblocks\.\d+\.ln_1\.weight",
    rules=(
        (r"^conv1\.", "patch_embed.proj."),
        (r"^class_embedding$", "cls_token"),
        (r"^positional_embedding$", "pos_embed"),
        (r"^ln_pre\.", "norm_pre."),
        (r"^ln_post\.", "norm."),
        (r"^transformer\.resblocks\.", "blocks."),
        (r"^(blocks\.\d+)\.ln_([12])\.", r"\1.norm\2."),
        (r"^(blocks\.\d+)\.attn\.in_proj_", r"\1.attn.qkv."),
        (r"^(blocks\.\d+)\.attn\.out_proj\.", r"\1.attn.proj."),
        (r"^(blocks\.\d+)\.mlp\.c_fc\.", r"\1.mlp.fc1."),
        (r"^(blocks\.\d+)\.mlp\.c_proj\.", r"\1.mlp.fc2."),
        (r"^(blocks\.\d+)\.ls_([12])\.gamma$", r"\1.ls\2.gamma"),
    ),
    moves=(projection,),
)
TORCHVISION = Naming(
    of="torchvision",
    patches="conv_proj.weight",
    block=r"encoder\.layers\.encoder_layer_\d+\.ln_1\.weight",
    rules=(
        (r"^class_token$", "cls_token"),
        (r"^conv_proj\.", "patch_embed.proj."),
        (r"^encoder\.pos_embedding$", "pos_embed"),
        (r"^encoder\.layers\.encoder_layer_(\d+)\.", r"blocks.\1."),
        (r"^(blocks\.\d+)\.ln_([12])\.", r"\1.norm\2."),
        (r"^(blocks\.\d+)\.self_attention\.in_proj_", r"\1.attn.qkv."),
        (r"^(blocks\.\d+)\.self_attention\.out_proj\.", r"\1.attn.proj."),
        (r"^(blocks\.\d+)\.mlp\.(0|linear_1)\.", r"\1.mlp.fc1."),  # linear_1 before torchvision 0.13
        (r"^(blocks\.\d+)\.mlp\.(3|linear_2)\.", r"\1.mlp.fc2."),
        (r"^encoder\.ln\.", "norm."),
        (r"^heads\.head\.", "head."),
    ),
)
NAMINGS = (TIMM, HUGGING_FACE, MMPRETRAIN, OPEN_CLIP, TORCHVISION)
TABLE = (  # of a naming the first row that fits
    Layout("MoCo v3", TIMM, prefixes=("base_encoder.", "momentum_encoder."), dropped=r"head\.\d+\.", heads={384: 12}),
    Layout("a timm tower of OpenCLIP", TIMM, prefixes=("visual.trunk.",), moves=(projection,)),
    Layout("DINOv2 with registers", TIMM, sign=lambda state: "register_tokens" in state, moves=(registers,)),
    Layout(
        "BEiT before fine-tuning",
        TIMM,
        sign=lambda state: "rel_pos_bias.relative_position_bias_table" in state,
        dropped=r"lm_head\.|rel_pos_bias\.relative_position_index$",
        moves=(own_biases,),
    ),
    Layout("Pixio", TIMM, sign=several_cls, moves=(one_cls,)),
    Layout(
        "DINOv3",
        TIMM,
        sign=lambda state: "storage_tokens" in state,
        dropped=r"(rope_embed\.periods|.*\.bias_mask|mask_token)$|local_cls_norm\.|projectors\.",
        moves=(without_key_bias, eva),
    ),
    Layout(
        "EVA-02", TIMM, sign=of_eva_02, dropped=r"(.*\.)?rope\.freqs_(cos|sin)$|lm_head\.|mask_token$", moves=(eva,)
    ),
    Layout("timm", TIMM),
    Layout(
        "Hugging Face, DINOv3",
        HUGGING_FACE,
        sign=lambda state: "embeddings.position_embeddings" not in state,
        dropped=r"rope_embeddings\.",
        moves=(eva,),
    ),
    Layout("Hugging Face", HUGGING_FACE, moves=(registers, one_cls)),
    Layout("MMPretrain", MMPRETRAIN),
    Layout(
        "Perception Encoder",
        OPEN_CLIP,
        sign=lambda state: "attn_pool.probe" in state or "ln_post.weight" not in state,
        moves=(pooling, eva),
        eps=1e-5,
    ),
    Layout("OpenCLIP", OPEN_CLIP, eps=1e-5),
    Layout("torchvision", TORCHVISION, eps=1e-6),
)
REFUSED = (  # pattern of a name, and what it is of
    (r"patch_embed\.proj\.\d", "convolutions before the patches (a conv stem), which mix pixels between them"),
    (r"(dist_token|embeddings\.distillation_token)$", "a distilled DeiT, whose second token is not read"),
    (r"\.attn\.wq\.weight$", "Sapiens 2 as Meta names it, which is not read; give timm's file"),
    (r"preprocessor\.patchifier\.", "AIMv2, whose norms and gated layers are not read"),
)
HUGGING_FACE_DINOV3 = "embeddings.patch_embeddings.weight", "embeddings.cls_token"  # ConvNeXt has the first alone
ANY_REFUSED = re.compile("|".join(pattern for pattern, _ in REFUSED))
ANY_RULE = {naming.of: re.compile("|".join(pattern for pattern, _ in naming.rules)) for naming in NAMINGS}
RULES = {naming.of: [(re.compile(pattern), new) for pattern, new in naming.rules] for naming in NAMINGS}
ANY_BLOCK = re.compile("|".join(naming.block for naming in NAMINGS))


# ---- What a file is of


@dataclass(frozen=True)
class Found:
    """Weights under timm's names, and where they come from."""

    layout: str  # as it is told; `timm` where nothing was to be done
    state: State
    naming: str = TIMM.of
    heads: int | None = None  # of attention, where the layout tells
    eps: float | None = None  # of all layer norms, where the layout tells
    aside: str = ""  # what was left aside, in words
    between: str = ""  # the first tensor between encoder and head that no linear layer can have in it

    @property
    def renamed(self) -> bool:
        return self.layout != "timm"


def found(path: str, state: State) -> Found:
    """Weights as timm names them. Those that have its names already come back as they are.

    Raises
    ------
    InputError
        naming the file where it has two layouts, two models, names of two kinds, or a layout that cannot be read
    """
    state = unwrapped(path, state)
    name = next(filter(ANY_REFUSED.search, state), None)
    if name is not None:
        what = next(what for pattern, what in REFUSED if re.search(pattern, name))
        raise InputError(f"{path}: {name} is of {what}; give weights of a plain vision transformer")
    if all(any(name.endswith(part) for name in state) for part in HUGGING_FACE_DINOV3):
        state = dinov3_of_hugging_face(state)
    places = list(_places(state))
    if not places:
        _refuse_halves(path, state)
        return Found("timm", state)
    naming, prefix = _one_of(path, state, places)
    inside = {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
    _refuse_halves(path, inside)
    layout = next(row for row in TABLE if row.naming is naming and row.sign(inside) and _is_known(row.prefixes, prefix))
    beside = {name: value for name, value in state.items() if not name.startswith(prefix)}
    try:
        return _translated(layout, prefix, inside, beside)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def unwrapped(path: str, state: State) -> State:
    """Names without what torch puts into them where a model is compiled, distributed or checkpointed."""
    names = {name: WRAPPERS.sub("", name) for name in state}
    while all(name.startswith(DISTRIBUTED) for name in names.values()):
        names = {name: own.removeprefix(DISTRIBUTED) for name, own in names.items()}
    try:
        _require_different(names)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    return {own: state[name] for name, own in names.items()}


def _require_different(names: dict[str, str]) -> None:
    """Old names -> new ones, of which no two may be alike."""
    seen: dict[str, str] = {}
    for name, own in names.items():
        if (first := seen.setdefault(own, name)) != name:
            raise InputError(f"has {first} and {name}, which are the same part, so two models; save one of them alone")


def _places(state: State) -> Iterator[tuple[Naming, str]]:
    """Namings that are there whole, patches and a block, each with the prefix of the model."""
    for naming in NAMINGS:
        for name in state:
            if name == naming.patches or name.endswith(f".{naming.patches}"):
                prefix = name.removesuffix(naming.patches)
                if any(name.startswith(prefix) and _is_block(naming, name.removeprefix(prefix)) for name in state):
                    yield naming, prefix


def _is_block(naming: Naming, name: str) -> bool:
    return re.match(naming.block, name) is not None


def _is_known(prefixes: tuple[str, ...], prefix: str) -> bool:
    """Whether a prefix ends as one by which a row is known; a row that is known by none has any."""
    return not prefixes or any(f".{prefix}".endswith(f".{known}") for known in prefixes)


def _one_of(path: str, state: State, places: list[tuple[Naming, str]]) -> tuple[Naming, str]:
    """The one model of a file, or of a row that knows which of several is meant."""
    first = [row.prefixes[:1] for row in TABLE if row.prefixes]
    meant = [(naming, prefix) for naming, prefix in places if any(_is_known(known, prefix) for known in first)]
    if len(places) > 1 and len(meant) == 1:
        return meant[0]
    if len(places) == 1:
        return places[0]
    (one, first), (other, second) = places[:2]
    said = f"{first}{one.patches} ({one.of}) and {second}{other.patches} ({other.of})"
    prefixed = [prefix.rstrip(".") for _, prefix in places if prefix]
    ways = [f"choose one with weights_key: {' or '.join(prefixed)}"] if prefixed else []
    if len(prefixed) < len(places):  # a key takes what is behind a prefix, and the other has none
        ways += [f"save {'what has no such prefix' if prefixed else 'one of them'} alone, and give that"]
    raise InputError(f"{path}: has two models, {said}; {', or '.join(ways)}")


def _refuse_halves(path: str, state: State) -> None:
    """Names of one library among those of another are of a file that was renamed in part."""
    telling = [name for name in state if ANY_BLOCK.match(name)]
    telling += [naming.patches for naming in NAMINGS if naming.patches in state]
    there = {}
    for naming in NAMINGS:
        if own := next((name for name in telling if name == naming.patches or _is_block(naming, name)), None):
            there[naming.of] = own
    if len(there) > 1:
        (one, first), (other, second) = list(there.items())[:2]
        raise InputError(
            f"{path}: has {first} as {one} and {second} as {other} name them, so it was renamed in part; give the file "
            "as its library wrote it"
        )


def _translated(layout: Layout, prefix: str, inside: State, beside: State) -> Found:
    naming, dropped = layout.naming, re.compile(f"{layout.naming.dropped}|{layout.dropped}")
    plain = layout.name == "timm" and not prefix
    left = [name for name in inside if dropped.match(name)]
    names = {name: _renamed(naming, name) for name in inside if name not in left}
    _require_different(names)
    own = {names[name]: inside[name] for name in names}
    has_one = plain or any(name.startswith("head.") for name in own)
    head, between = ({}, []) if has_one else _head_beside(naming, layout, prefix, beside)
    own |= {f"head.{name}": beside[full] for name, full in head.items()}
    for move in (*naming.moves, *layout.moves):
        own = move(own)
    told = layout.name if not prefix or layout.prefixes else f"{layout.name} behind {prefix}"
    width = own["patch_embed.proj.weight"].shape[0]
    aside = [*left, *(name for name in beside if name not in head.values())]
    return Found(told, own, naming.of, layout.heads.get(width), layout.eps, _groups(aside), min(between, default=""))


def _renamed(naming: Naming, name: str) -> str:
    for pattern, replacement in RULES[naming.of] if ANY_RULE[naming.of].search(name) else ():
        name = pattern.sub(replacement, name)
    return name


def _head_beside(naming: Naming, layout: Layout, prefix: str, beside: State) -> tuple[dict[str, str], list[str]]:
    """`weight` and `bias` of a linear layer beside the backbone, by their full names; none where there are several.

    And what lies between the two, but for the batch norm of a linear probe: that is `0.`, the linear layer `1.` then.
    """
    if layout.prefixes:  # MoCo's and CLIP's other parts
        tower = prefix.removesuffix("trunk.") + "head."
        head = {kind: f"{tower}proj.{kind}" for kind in ("weight", "bias") if f"{tower}proj.{kind}" in beside}
        return head, [name for name in beside if head and name.startswith(tower) and name not in head.values()]
    parts = prefix.split(".")[:-1]
    above = {"".join(f"{part}." for part in parts[:number]) for number in range(len(parts))}
    scope = f"({'|'.join(map(re.escape, above))})"
    matches = [(full, re.fullmatch(scope + naming.head, full)) for full in beside]
    heads = {full: match for full, match in matches if match}
    if len(places := {match.group(1, 2) for match in heads.values()}) != 1:
        return {}, []
    head = {match[3]: full for full, match in heads.items()}
    own, name = places.pop()
    within = re.escape(own + name.rpartition(".")[0]) + r"\." if "." in name else "(?!)"
    between = re.compile(f"{within}|{scope}({NECK}|{NORMS})", re.IGNORECASE)
    lies = [name for name in beside if name not in heads and between.match(name)]
    if naming is MMPRETRAIN and lies and all(name.startswith(own + PROBE) for name in lies):
        norm = {f"0.{name.removeprefix(own + PROBE)}": name for name in lies}
        return norm | {f"1.{kind}": full for kind, full in head.items()}, []
    return head, lies


def _groups(names: list[str]) -> str:
    """Names in words, by what stands before the first point: `decoder (12), mask_token`."""
    counts: dict[str, int] = {}
    for name in names:
        group = name.partition(".")[0]
        counts[group] = counts.get(group, 0) + 1
    said = [group if group in names else f"{group}.* ({count})" for group, count in counts.items()]
    return ", ".join(said[:SHOWN]) + (f" and {len(said) - SHOWN} more" if len(said) > SHOWN else "")
