"""A folder of a model as Hugging Face's transformers saves it: its architecture, head and preprocessing, without torch.

config.json               sizes, activation, epsilon of the norms, classes
model.safetensors         weights; or pytorch_model.bin
preprocessor_config.json  from a picture to the model's input
"""

import json
import math
import re
from collections.abc import Container
from pathlib import Path

from maescope.base import grid
from maescope.base.errors import InputError

CONFIG, PREPROCESSOR, WEIGHTS = "config.json", "preprocessor_config.json", ("model.safetensors", "pytorch_model.bin")
READ = ("vit", "vit_mae", "dinov2", "dinov2_with_registers", "pixio", "dinov3_vit")  # the model types that are read
EPSILON = {"vit": 1e-12, "vit_mae": 1e-12}  # where a config says none; of the others 1e-6
RESAMPLE = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic"}  # numbers of PIL's filters
ACTIVATIONS = {  # name there -> in timm
    **{name: "gelu" for name in ("gelu", "gelu_python")},
    **{name: "gelu_tanh" for name in ("gelu_new", "gelu_pytorch_tanh", "gelu_python_tanh")},
    **{name: name for name in ("quick_gelu", "relu", "silu")},
    "swish": "silu",
}
SQUARE = re.compile("ViT|DeiT|BeiT")  # processors for which a size of one number is both sides, not the shorter one


def complete(name: str, model: dict, stated: dict) -> dict:
    """A model's entry with all that its `model_dir` tells and the configuration does not state.

    Parameters
    ----------
    stated : what the configuration has of it; all else in `model` are defaults

    Raises
    ------
    InputError
        naming the key, the file and what is to be stated instead
    """
    key, folder = f"models.{name}.model_dir", Path(model["model_dir"])
    if model["preprocessing"] == "timm":
        raise InputError(f"models.{name}.preprocessing: timm records none of a model_dir; leave it out")
    if clash := sorted(stated.keys() & {"architecture", "weights", "url", "training"}):
        raise InputError(f"{key}: says what {clash[0]} is; leave out one of them")
    try:
        config = read(folder / CONFIG)
        told = _of_config(folder / CONFIG, config) | {"weights": _weights(folder)}
        told["preprocessing"] = _completed(folder / PREPROCESSOR, model, stated.get("preprocessing"))
    except InputError as error:
        raise InputError(f"{key}: {error}") from None
    arguments, crop = told.pop("arguments") | model["arguments"], told["preprocessing"]["crop"]
    resampled = arguments.get("dynamic_img_size") or model.get("resample_positions")
    if grid.sides(crop) != grid.sides(arguments["img_size"]) and not resampled:
        raise InputError(
            f"{key}: pictures are cropped to {grid.in_words(crop)} px, but positions are of "
            f"{grid.in_words(arguments['img_size'])} px; state "
            "preprocessing with that crop, or resample_positions: true, which resamples them as timm "
            "does (Hugging Face has another filter)"
        )
    own = {part: value for part, value in told.items() if part not in stated or part == "preprocessing"}
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
    if not isinstance(name, str) or name not in ACTIVATIONS:
        raise InputError(f"{path}: hidden_act is {name!r}, known are {', '.join(ACTIVATIONS)}; give another model")
    return ACTIVATIONS[name]


def told_beside(path: Path) -> tuple[int | None, float | None, str | None]:
    """Heads, epsilon of the norms and activation (in its words) that a config.json has; None where it says none."""
    config = _without_nulls(read(path))
    heads = _number(path, config, "num_attention_heads") if "num_attention_heads" in config else None
    eps = _positive(path, config, "layer_norm_eps", 0) if "layer_norm_eps" in config else None
    gated = _flag(path, config, "use_swiglu_ffn", False) or _flag(path, config, "use_gated_mlp", False)
    return heads, eps, None if gated else config.get("hidden_act")


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
    config = _without_nulls(config)
    kind = config.get("model_type")
    if kind not in READ:
        raise InputError(f"{path}: model_type is {kind!r}, read are {', '.join(READ)}; state architecture and weights")
    size, patch = _sides(path, config, "image_size", "fetch it again"), _square(path, config, "patch_size")
    width, depth, heads = (
        _number(path, config, key) for key in ("hidden_size", "num_hidden_layers", "num_attention_heads")
    )
    if config.get("num_channels", 3) != 3:
        raise InputError(f"{path}: num_channels is {config['num_channels']}, but pictures are read as 3; give another")
    sizes = {"img_size": size, "patch_size": patch, "embed_dim": width, "depth": depth, "num_heads": heads}
    if kind == "dinov3_vit":
        return _of_dinov3(path, config, sizes)
    gated, scaled = _flag(path, config, "use_swiglu_ffn", False), kind.startswith("dinov2")
    arguments = sizes | {
        "mlp_ratio": _ratio(width, _hidden(path, config, kind, width, gated)),
        "qkv_bias": _flag(path, config, "qkv_bias", True),
        "norm_eps": _positive(path, config, "layer_norm_eps", EPSILON.get(kind, 1e-6)),
    }
    if scaled:
        arguments["init_values"] = 1.0  # of the scales, which the weights then replace
    if not gated and (act := activation(path, config.get("hidden_act", "gelu"))) != "gelu":
        arguments["act_layer"] = act
    if kind == "dinov2_with_registers":
        arguments |= {"reg_tokens": _number(path, config, "num_register_tokens", 4, 0), "no_embed_class": True}
    elif gated:
        arguments |= {"reg_tokens": 0}
    if kind == "pixio":
        arguments["reg_tokens"] = _number(path, config, "n_cls_tokens", 8) - 1
    # timm takes no MLP by its name, so a gated one is had of an architecture that has it
    architecture = "vit_giant_patch14_dinov2" if gated else "vit_base_patch16_224"
    # the head of DINOv2 reads CLS and the mean of the patches, which none here does
    classes = config.get("architectures")
    has_head = not scaled and any(
        str(of).endswith("ForImageClassification") for of in (classes if isinstance(classes, list) else [])
    )
    told = isinstance(config.get("id2label"), dict)
    outputs = len(config["id2label"]) if told else _number(path, config, "num_labels", 2)
    return {
        "architecture": architecture,
        "arguments": arguments,
        "num_classes": outputs if has_head else 0,
        "pooling": "token",
    }


def _of_dinov3(path: Path, config: dict, sizes: dict) -> dict:
    """DINOv3 without a head, of timm's class Eva; keys have no bias there."""
    if _flag(path, config, "key_bias", False):
        raise InputError(f"{path}: key_bias is true, but keys of timm's DINOv3 have none; give another model")
    biased = [_flag(path, config, f"{part}_bias", True) for part in ("query", "value")]
    if biased[0] != biased[1]:
        raise InputError(f"{path}: one of query_bias and value_bias is true, but timm has both or none; give another")
    width, hidden = sizes["embed_dim"], _number(path, config, "intermediate_size", 1536)
    gated = _flag(path, config, "use_gated_mlp", False)
    act = activation(path, config.get("hidden_act", "gelu"))
    if act != ("silu" if gated else "gelu") or (gated and hidden % 8):
        raise InputError(f"{path}: an MLP of {act} and {hidden} units is none of DINOv3's; give another model")
    arguments = sizes | {
        "mlp_ratio": _ratio(width, hidden),
        "qkv_bias": biased[0],  # none in ViT-7B
        "num_reg_tokens": _number(path, config, "num_register_tokens", 0, 0),
        "rope_temperature": _positive(path, config, "rope_theta", 100.0),
        "norm_eps": _positive(path, config, "layer_norm_eps", 1e-5),
        "dynamic_img_size": True,  # its positions are shares of the sides, so pictures may be of any size
    }
    architecture = "vit_small_plus_patch16_dinov3_qkvb" if gated else "vit_small_patch16_dinov3_qkvb"
    return {"architecture": architecture, "arguments": arguments, "num_classes": 0, "pooling": "token"}


def _hidden(path: Path, config: dict, kind: str, width: int, gated: bool) -> int:
    """Width of the MLP's first layer; of a gated one both halves."""
    if not kind.startswith("dinov2") and kind != "pixio":
        return _number(path, config, "intermediate_size")
    hidden = int(width * _positive(path, config, "mlp_ratio", 4))
    return 2 * ((int(hidden * 2 / 3) + 7) // 8 * 8) if gated else hidden


def _ratio(width: int, hidden: int) -> float:
    """The ratio from which timm gets that width, int(width * ratio), where the quotient itself may be rounded below."""
    return hidden / width if int(width * (hidden / width)) == hidden else (hidden + 0.5) / width


def _number(path: Path, config: dict, key: str, usual: int | None = None, least: int = 1) -> int:
    value = config.get(key, usual)
    if type(value) is not int or value < least:
        raise InputError(f"{path}: {key} is {value!r}, no number of {least} or more; fetch it again")
    return value


def _positive(path: Path, config: dict, key: str, usual: float) -> float:
    value = config.get(key, usual)
    if not _is_number(value) or value <= 0:
        raise InputError(f"{path}: {key} is {value!r}, no number above 0; fetch it again")
    return value


def _square(path: Path, config: dict, key: str) -> int:
    """One side, of two that must be equal."""
    value = config.get(key)
    sides = value if isinstance(value, list) else [value, value]
    if len(sides) != 2 or sides[0] != sides[1]:
        raise InputError(f"{path}: {key} is {value}, but patches must be squares; give another model")
    return _number(path, {key: sides[0]}, key)


def _completed(path: Path, model: dict, stated: dict | None) -> dict:
    """Preprocessing key by key: as the configuration states it, else as the file has it, else the default."""
    if stated is not None and not path.is_file():
        return model["preprocessing"]
    return preprocessing(path, stated or ()) | {key: model["preprocessing"][key] for key in stated or ()}


def preprocessing(path: Path, stated: Container[str] = ()) -> dict:
    """From a file to the model's input, as the configuration's `preprocessing` has it.

    Parameters
    ----------
    stated : keys that are not looked for, and of which the file may say what is not done here

    Raises
    ------
    InputError
        naming what the file says that is not done here
    """
    if not path.is_file():
        raise InputError(f"there is no {path}; state preprocessing")
    config = _without_nulls(read(path))
    own = {key: of(path, config) for key, of in TOLD.items() if key not in stated}
    return own | ({"squash": True} if "squash" not in stated and _squashes(config) else {})


def _resize(path: Path, config: dict) -> int:
    """The shorter side to which pictures are resized."""
    size = _resized(path, config)
    return min(size) if isinstance(size, list) else size


def _resized(path: Path, config: dict) -> int | list[int]:
    """To what pictures are resized: their shorter side, or height and width where both are told and differ."""
    if not _flag(path, config, "do_resize", True):
        raise InputError(f"{path}: do_resize is False, which is not done here; state preprocessing")
    size = config.get("size")
    if isinstance(size, dict) and size.keys() == {"shortest_edge"}:
        return _number(path, size, "shortest_edge")
    if isinstance(size, int) and not _squashes(config):
        kind = _processor(config) or "an unnamed processor"
        raise InputError(f"{path}: size is {size} of {kind}, one side or both; state preprocessing")
    return _sides(path, config, "size")


def _squashes(config: dict) -> bool:
    """Whether both sides are resized, whatever shape pictures have."""
    size = config.get("size")
    if isinstance(size, dict):
        return size.keys() == {"height", "width"}
    return isinstance(size, list) or (size is not None and bool(SQUARE.search(_processor(config))))


def _processor(config: dict) -> str:
    return str(config.get("image_processor_type", config.get("feature_extractor_type", "")))


def _crop(path: Path, config: dict) -> int | list[int]:
    if not _flag(path, config, "do_center_crop", "crop_size" in config):
        return _resized(path, config)
    crop, resized = _sides(path, config, "crop_size"), _resized(path, config)
    (height, width), (high, wide) = grid.sides(crop), grid.sides(resized)
    if (height, high) != (width, wide) and not (_squashes(config) and height * wide == width * high):
        raise InputError(f"{path}: size {config['size']} and crop_size {crop} differ in shape; state preprocessing")
    return crop


def _interpolation(path: Path, config: dict) -> str:
    number = config.get("resample")
    if type(number) is not int or number not in RESAMPLE:
        raise InputError(f"{path}: resample is {number!r}, none of PIL's 0 to 3; state preprocessing")
    return RESAMPLE[number]


def _mean(path: Path, config: dict) -> list:
    return _channels(path, config, "image_mean", 0)


def _std(path: Path, config: dict) -> list:
    values = _channels(path, config, "image_std", 1)
    if min(values) <= 0:
        raise InputError(f"{path}: image_std is {values}, not above 0; state preprocessing")
    return values


def _channels(path: Path, config: dict, key: str, plain: float) -> list:
    """A number for each channel, of values from 0 to 1; `plain` where they are not normalised."""
    if not _flag(path, config, "do_rescale", True):
        raise InputError(f"{path}: do_rescale is False, which is not done here; state preprocessing")
    factor = config.get("rescale_factor", 1 / 255)
    if not _is_number(factor) or abs(factor * 255 - 1) > 1e-6:
        raise InputError(f"{path}: rescale_factor is {factor!r}, not 1 / 255; state preprocessing")
    values = config.get(key) if _flag(path, config, "do_normalize", True) else [plain] * 3
    if not (isinstance(values, list) and len(values) == 3 and all(map(_is_number, values))):
        raise InputError(f"{path}: {key} is {values!r}, no three numbers; state preprocessing")
    return values


TOLD = {"resize": _resize, "crop": _crop, "interpolation": _interpolation, "mean": _mean, "std": _std}


def _sides(path: Path, config: dict, key: str, remedy: str = "state preprocessing") -> int | list[int]:
    """Height and width in pixels; one number where they are equal."""
    value = config.get(key)
    sides = [value.get("height"), value.get("width")] if isinstance(value, dict) else value
    sides = sides if isinstance(sides, list) else [sides, sides]
    if len(sides) != 2 or any(type(side) is not int or side < 1 for side in sides):
        raise InputError(f"{path}: {key} is {value}, neither one side nor height and width; {remedy}")
    return sides if sides[0] != sides[1] else sides[0]


def _flag(path: Path, config: dict, key: str, usual: bool) -> bool:
    value = config.get(key, usual)
    if type(value) is not bool:
        raise InputError(f"{path}: {key} is {value!r}, neither true nor false; mend it there")
    return value


def _is_number(value: object) -> bool:
    return type(value) in (int, float) and math.isfinite(value)


def _without_nulls(config: dict) -> dict:
    """What is null in a file is as if it were not there: transformers then has a default of its own."""
    parts = {key: _without_nulls(value) if isinstance(value, dict) else value for key, value in config.items()}
    return {key: value for key, value in parts.items() if value is not None}
