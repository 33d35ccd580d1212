"""A folder of a model as Hugging Face's transformers saves it: its architecture, head and preprocessing, without torch.

config.json               sizes, activation, epsilon of the norms, classes
model.safetensors         weights; or pytorch_model.bin
preprocessor_config.json  from a picture to the model's input
"""

import json
import re
from pathlib import Path

from maescope.base.errors import InputError

CONFIG, PREPROCESSOR, WEIGHTS = "config.json", "preprocessor_config.json", ("model.safetensors", "pytorch_model.bin")
READ = ("vit", "vit_mae", "dinov2", "dinov2_with_registers", "pixio")  # the model types whose tokens are a plain ViT's
EPSILON = {"vit": 1e-12, "vit_mae": 1e-12}  # where a config says none; of the others 1e-6
RESAMPLE = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic"}  # numbers of PIL's filters
ACTIVATIONS = {  # name there -> in timm
    **{name: "gelu" for name in ("gelu", "gelu_python")},
    **{name: "gelu_tanh" for name in ("gelu_new", "gelu_pytorch_tanh", "gelu_python_tanh")},
    **{name: name for name in ("quick_gelu", "relu", "silu")},
    "swish": "silu",
}
SQUARE = re.compile("ViT|DeiT|BeiT")  # processors for which a size of one number is both sides, not the shorter one


def complete(name: str, model: dict, stated: set[str]) -> dict:
    """A model's entry with all that its `model_dir` tells and the configuration does not state.

    Parameters
    ----------
    stated : keys that the configuration has; the others of `model` are defaults

    Raises
    ------
    InputError
        naming the key, the file and what is to be stated instead
    """
    key, folder = f"models.{name}.model_dir", Path(model["model_dir"])
    if model["preprocessing"] == "timm":
        raise InputError(f"models.{name}.preprocessing: timm records none of a model_dir; leave it out")
    if clash := sorted(stated & {"architecture", "weights", "url", "training"}):
        raise InputError(f"{key}: says what {clash[0]} is; leave out one of them")
    try:
        config = read(folder / CONFIG)
        told = _of_config(folder / CONFIG, config) | {"weights": _weights(folder)}
        if "preprocessing" not in stated:
            told["preprocessing"] = preprocessing(folder / PREPROCESSOR)
    except InputError as error:
        raise InputError(f"{key}: {error}") from None
    arguments = told.pop("arguments") | model["arguments"]
    crop = (model if "preprocessing" in stated else told)["preprocessing"]["crop"]
    if crop != arguments["img_size"] and not arguments.get("dynamic_img_size"):
        raise InputError(
            f"{key}: pictures are cropped to {crop} px, but positions are of {arguments['img_size']} px; state "
            "preprocessing with that crop, or arguments: {dynamic_img_size: true}, which resamples positions as timm "
            "does (Hugging Face has another filter)"
        )
    own = {part: value for part, value in told.items() if part not in stated}
    return {part: value for part, value in model.items() if part != "model_dir"} | own | {"arguments": arguments}


def read(path: Path) -> dict:
    """A file of JSON, which must be one of keys and values."""
    if not path.is_file():
        raise InputError(f"there is no {path}; give a folder that save_pretrained wrote")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:  # no UTF-8 is a ValueError as well
        raise InputError(f"{path}: no JSON ({error}); fetch it again") from None
    if not isinstance(content, dict):
        raise InputError(f"{path}: has no keys and values; fetch it again")
    return content


def activation(path: Path, name: str) -> str:
    """What timm calls an activation."""
    if name not in ACTIVATIONS:
        raise InputError(f"{path}: hidden_act is {name!r}, known are {', '.join(ACTIVATIONS)}; give another model")
    return ACTIVATIONS[name]


def in_yaml(number: float) -> str:
    """A number as YAML takes it for one: 1e-12 would be text."""
    mantissa, exponent, power = f"{number:g}".partition("e")
    return mantissa if not exponent else f"{mantissa if '.' in mantissa else mantissa + '.0'}e{power}"


def _weights(folder: Path) -> str:
    for name in WEIGHTS:
        if (folder / name).is_file():
            return str(folder / name)
    if parts := sorted(folder.glob("*.index.json")):
        raise InputError(
            f"{folder} has its weights in parts ({parts[0].name}); save them as one: "
            "from_pretrained(...).save_pretrained(..., max_shard_size='100GB')"
        )
    raise InputError(f"{folder} has neither {' nor '.join(WEIGHTS)}; fetch it again")


def _of_config(path: Path, config: dict) -> dict:
    """Architecture, its arguments, the head and the pooling of a config."""
    kind = config.get("model_type")
    if kind not in READ:
        raise InputError(f"{path}: model_type is {kind!r}, read are {', '.join(READ)}; state architecture and weights")
    size, patch = (_square(path, config, key) for key in ("image_size", "patch_size"))
    width, depth, heads = (
        _number(path, config, key) for key in ("hidden_size", "num_hidden_layers", "num_attention_heads")
    )
    if config.get("num_channels", 3) != 3:
        raise InputError(f"{path}: num_channels is {config['num_channels']}, but pictures are read as 3; give another")
    gated, scaled = bool(config.get("use_swiglu_ffn")), kind.startswith("dinov2")
    arguments = {
        "img_size": size,
        "patch_size": patch,
        "embed_dim": width,
        "depth": depth,
        "num_heads": heads,
        "mlp_ratio": _ratio(width, _hidden(path, config, kind, width, gated)),
        "qkv_bias": bool(config.get("qkv_bias", True)),
        "norm_eps": config.get("layer_norm_eps", EPSILON.get(kind, 1e-6)),
    }
    if scaled:
        arguments["init_values"] = 1.0  # of the scales, which the weights then replace
    if not gated and (act := activation(path, config.get("hidden_act", "gelu"))) != "gelu":
        arguments["act_layer"] = act
    if kind == "dinov2_with_registers":
        arguments |= {"reg_tokens": config.get("num_register_tokens", 4), "no_embed_class": True}
    elif gated:
        arguments |= {"reg_tokens": 0}
    if kind == "pixio":
        arguments["reg_tokens"] = config.get("n_cls_tokens", 8) - 1
    # timm takes no MLP by its name, so a gated one is had of an architecture that has it
    architecture = "vit_giant_patch14_dinov2" if gated else "vit_base_patch16_224"
    # the head of DINOv2 reads CLS and the mean of the patches, which none here does
    has_head = not scaled and any(
        str(of).endswith("ForImageClassification") for of in config.get("architectures") or []
    )
    outputs = len(config["id2label"]) if isinstance(config.get("id2label"), dict) else config.get("num_labels", 2)
    return {
        "architecture": architecture,
        "arguments": arguments,
        "num_classes": outputs if has_head else 0,
        "pooling": "token",
    }


def _hidden(path: Path, config: dict, kind: str, width: int, gated: bool) -> int:
    """Width of the MLP's first layer; of a gated one both halves."""
    if not kind.startswith("dinov2") and kind != "pixio":
        return _number(path, config, "intermediate_size")
    hidden = int(width * config.get("mlp_ratio", 4))
    return 2 * ((int(hidden * 2 / 3) + 7) // 8 * 8) if gated else hidden


def _ratio(width: int, hidden: int) -> float:
    """The ratio from which timm gets that width, int(width * ratio), where the quotient itself may be rounded below."""
    return hidden / width if int(width * (hidden / width)) == hidden else (hidden + 0.5) / width


def _number(path: Path, config: dict, key: str) -> int:
    if type(config.get(key)) is not int or config[key] < 1:
        raise InputError(f"{path}: {key} is {config.get(key)!r}, no number of 1 or more; fetch it again")
    return config[key]


def _square(path: Path, config: dict, key: str) -> int:
    """One side, of two that must be equal."""
    value = config.get(key)
    sides = value if isinstance(value, list) else [value, value]
    if len(sides) != 2 or sides[0] != sides[1]:
        raise InputError(f"{path}: {key} is {value}, but inputs and patches must be squares; give another model")
    return _number(path, {key: sides[0]}, key)


def preprocessing(path: Path) -> dict:
    """From a file to the model's input, as the configuration's `preprocessing` has it.

    Raises
    ------
    InputError
        naming what the file says that is not done here
    """
    if not path.is_file():
        raise InputError(f"there is no {path}; state preprocessing")
    config = read(path)
    kind = str(config.get("image_processor_type", config.get("feature_extractor_type", "")))
    unusual = {"do_resize": True, "do_rescale": True}
    for key, usual in unusual.items():
        if config.get(key, usual) is not usual:
            raise InputError(f"{path}: {key} is {config[key]}, which is not done here; state preprocessing")
    if abs(config.get("rescale_factor", 1 / 255) * 255 - 1) > 1e-6:
        raise InputError(f"{path}: rescale_factor is {config['rescale_factor']}, not 1 / 255; state preprocessing")
    resize, squash = _size(path, config, kind)
    crop = _side(path, config, "crop_size") if config.get("do_center_crop", "crop_size" in config) else resize
    if config.get("resample") not in RESAMPLE:
        raise InputError(f"{path}: resample is {config.get('resample')!r}, none of PIL's 0 to 3; state preprocessing")
    normalised = config.get("do_normalize", True)
    mean, std = (config.get(key) if normalised else [plain] * 3 for key, plain in (("image_mean", 0), ("image_std", 1)))
    for key, value in (("image_mean", mean), ("image_std", std)):
        if not (isinstance(value, list) and len(value) == 3):
            raise InputError(f"{path}: {key} is {value!r}, no three numbers; state preprocessing")
    own = {"resize": resize, "crop": crop, "interpolation": RESAMPLE[config["resample"]], "mean": mean, "std": std}
    return own | ({"squash": True} if squash else {})


def _size(path: Path, config: dict, kind: str) -> tuple[int, bool]:
    """To what pictures are resized, and whether both sides are, whatever shape they have."""
    size = config.get("size")
    if isinstance(size, dict) and size.keys() == {"shortest_edge"}:
        return _side(path, {"size": size["shortest_edge"]}, "size"), False
    if isinstance(size, int) and not SQUARE.search(kind):
        raise InputError(
            f"{path}: size is {size} of {kind or 'an unnamed processor'}, one side or both; state preprocessing"
        )
    return _side(path, config, "size"), True


def _side(path: Path, config: dict, key: str) -> int:
    """A side in pixels, of a number or two that must be equal."""
    value = config.get(key)
    sides = {value.get("height"), value.get("width")} if isinstance(value, dict) else {value}
    side = sides.pop()
    if sides or type(side) is not int or side < 1:
        raise InputError(f"{path}: {key} is {value}, no side of a square; state preprocessing")
    return side
