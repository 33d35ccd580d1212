"""Input that means harm: names with markup and shell in them, token files that point elsewhere, pickles."""

import os
import re
import shutil
import struct
import subprocess
from html.parser import HTMLParser

import h5py
import numpy as np
import pytest
import torch
import yaml
from conftest import REPOSITORY, Workflow
from PIL import Image
from safetensors.torch import save_file
from test_faults import ARCHITECTURE, ARGUMENTS, Payload, dataset, model, picture, refused_plan, state, study

from maescope.base import tidy
from maescope.base.errors import InputError
from maescope.figures.separation import figure_1
from maescope.images import sampling
from maescope.models import architectures, checkpoints
from maescope.study import settings
from maescope.tables import overview
from maescope.tables.separations import with_intervals
from maescope.tokens import store

LABELS = [
    "-rf",
    "--help",
    "a..b",
    "$x$ \\frac",
    "_under_",
    "<img src=x onerror=alert(1)>",
    "&lt;b&gt;",
    "\\immediate\\write18 %#~^",
    "`touch pwned`",
    "$(touch pwned)",
    "; touch pwned #",
    "'\"|",
    "*bold* [a](javascript:alert(1))",
    "שלום",
    "日本語 🐭",
    "=1+1",
    "nan",
    "%s 007",
]
IMAGES = ["-x.png", "<b>bold.png", "$(touch pwned).png", "[1]*?.png", '%d, "quoted".png', "עברית.png"]


class Tags(HTMLParser):
    """The tags, attributes and texts of a page, as a browser sees them."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.attributes, self.text = set(), set(), ""
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attributes}

    def handle_data(self, data):
        self.text += data


# --- names, through to tables, figures and the report ---------------------------------------------------------------


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A study whose classes and images have such names; one image less than asked, so that tables name the classes."""
    folder = tmp_path_factory.mktemp("hostile")
    for seed, label in enumerate(LABELS):
        for number, name in enumerate(IMAGES[seed % 2 : seed % 2 + 4]):
            picture(folder / "pets" / label / name, size=(16, 16), seed=4 * seed + number)
    torch.manual_seed(0)
    head = architectures.build(**ARCHITECTURE, arguments=ARGUMENTS, num_classes=len(LABELS), pooling="avg")
    save_file(head.state_dict(), folder / "vit.safetensors")
    save_file(architectures.build(**ARCHITECTURE, arguments=ARGUMENTS).state_dict(), folder / "encoder.safetensors")
    payload = folder / "initial.pth"
    torch.save({"model": state(), "args": Payload(folder / "pwned")}, payload)
    workflow = Workflow(folder / "clone")
    config = study(folder / "vit.safetensors", folder / "pets")
    config["datasets"]["pets"] |= {"classes": LABELS, "count": 5, "allow_fewer": True}
    config["models"]["vit"]["num_classes"] = len(LABELS)
    config["models"]["encoder"] = model(folder / "encoder.safetensors", num_classes=0, pooling="token")
    config["models"]["start"] = model(payload)
    training = {"recipe": "finetune", "initial": "start", "dataset": "pets", "epochs": 1}
    tuned = "results/models/tuned.safetensors"
    config["models"]["tuned"] = model(tuned, training=training, num_classes=len(LABELS))
    config["perturbations"]["mask"]["masks"] = 2
    config["study"] |= {"pretrained": "encoder", "tsne": {"labels": LABELS[:8], "images": 4}}
    config["study"]["mask_variants"] = {"dataset": "pets", "perturbation": "mask"}
    config["analysis"] |= {"perplexity": 2, "subspace": {"k": 2}, "folds": 2, "neighbours": 1}
    workflow.configure(config)
    workflow.before = sorted(path.name for path in workflow.folder.iterdir())
    workflow.done = workflow.run("--keep-going", "table_1", "figure_1", "figure_masks", "figure_4", tuned)
    return workflow


def test_nothing_is_executed_and_nothing_written_outside_results(run):
    made = {path.name for path in run.folder.iterdir()} - set(run.before)
    assert made <= {"results", ".snakemake"}
    assert not list(run.folder.parent.rglob("*pwned"))


def test_names_come_through_as_they_are(run):
    rows = tidy.read([run / "results/measures/accuracy/vit/pets/clean.parquet"])
    assert list(rows["label"].unique()) == LABELS
    assert set(rows["image"]) == {
        f"{label}/{name}" for n, label in enumerate(LABELS) for name in IMAGES[n % 2 : n % 2 + 4]
    }
    assert {f"{label}.h5" for label in LABELS} == {
        path.name for path in (run / "results/tokens/vit/pets/clean").iterdir()
    }
    for name in ("figure_1", "figure_masks", "figure_4"):
        assert (run / f"results/pets/figures/{name}.pdf").stat().st_size > 1000, run.done.stdout


def test_a_table_in_html_has_no_tag_of_theirs(run):
    page = Tags((run / "results/pets/tables/table_1.html").read_text())
    assert page.tags == {
        "html",
        "meta",
        "title",
        "style",
        "h1",
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "ul",
        "li",
    }
    assert page.attributes == {"lang", "charset", "class"}
    for label in LABELS:
        assert f"{label} 4" in page.text


def test_a_table_in_markdown_shows_them_as_text(run):
    text = (run / "results/pets/tables/table_1.md").read_text().split("<!-- ")[0]
    assert not re.search(r"<[A-Za-z/!?]", text)
    assert not re.search(r"(?<!\\)[`*](?!\*)", text.replace("**Table I. Accuracy under Gaussian blur**", ""))
    assert not re.search(r"(?<!\\)\]\(", text)
    shown = re.sub(r"\\([\\`*|~$\]_!])", r"\1", text).replace("&lt;", "<").replace("&amp;", "&")
    for label in (one for one in LABELS if "&" not in one):
        assert f"{label} 4" in shown


def test_a_table_in_latex_has_no_command_of_theirs(run, tmp_path):
    text = (run / "results/pets/tables/table_1.tex").read_text()
    note = next(line for line in text.splitlines() if "Fewer than" in line).removeprefix(r"\par\footnotesize ")
    escaped = r"\\[&%$#_{}]|\\textbackslash\{\}|\\textasciitilde\{\}|\\textasciicircum\{\}"
    assert not re.search(r"[\\&%$#_{}~^]", re.sub(escaped, "", note))
    assert r"\textbackslash{}immediate\textbackslash{}write18 \%\#" in note
    if latex := shutil.which("xelatex") or shutil.which("tectonic"):
        page = r"\documentclass{article}\usepackage{booktabs}\begin{document}" + text + r"\end{document}"
        (tmp_path / "page.tex").write_text(page)
        assert subprocess.run([latex, "page.tex"], cwd=tmp_path, stdin=subprocess.DEVNULL).returncode == 0


def test_the_report_has_no_tag_of_theirs(run):
    run.must_run("--report", "results/pets/report.html", "table_1", "figure_1")
    page = Tags((run / "results/pets/report.html").read_text())
    assert "onerror" not in page.attributes and "script" in page.tags  # there, names are texts of JSON


def test_the_overview_has_no_tag_of_theirs():
    config = {"seed": 0, "study": {"name": "a"}, "perturbations": {}, "analysis": {}}
    config["datasets"] = {"pets": {"classes": LABELS[:12], "pattern": "/<script>/{label}/*"}}
    page = Tags(
        overview.page("<b>", ["<s>"], "<i>", {"<u>Settings": overview.settings_table(config)}, ["<img onerror>"])
    )
    assert not page.tags & {"b", "i", "u", "img", "script"}
    assert ", ".join(LABELS[:12]) in page.text and "onerror" not in page.attributes


def test_legends_name_every_class_and_set_no_formula(run):
    tsne = tidy.read([run / "results/pets/measures/tsne/encoder/pets/mask.csv"])
    separation = tidy.read([run / "results/pets/measures/separation/encoder/pets/mask.csv"])
    figure = figure_1(tsne, with_intervals(separation, 0.95), "encoder")
    blocks = [text for block in figure.subfigs for legend in block.legends for text in legend.get_texts()]
    assert set(LABELS[:8]) <= {text.get_text().strip() for text in blocks}
    assert not any(text.get_parse_math() for text in blocks)


def test_weights_that_training_starts_from_are_not_executed(run):
    assert run.done.returncode == 1
    said = r"error: \S+/initial\.pth \(\d+ bytes\): refused, it would execute posix\.mkdir; save the state dict alone"
    assert re.search(said, run.done.stdout)
    assert not (run / "results/models/tuned.safetensors").exists()


def test_a_token_file_that_points_elsewhere_is_refused(run):
    """All of its attributes are right; the tokens would come from another file, readable by whoever runs this."""
    path, measure = run / "results/tokens/vit/pets/clean/nan.h5", "results/measures/accuracy/vit/pets/clean.parquet"
    before = (run / measure).read_bytes()
    shutil.copy2(path, run.folder.parent / "outside.h5")
    with h5py.File(path, "r+") as file:
        del file["levels/clean/logits"]
        file["levels/clean/logits"] = h5py.ExternalLink(str(run.folder.parent / "outside.h5"), "levels/clean/logits")
    then = (run.folder.parent / "outside.h5").stat()
    os.utime(path, ns=(then.st_atime_ns, then.st_mtime_ns))  # else a plan knows, and has it made again
    (run / measure).unlink()
    refused = run.run(measure)
    assert refused.returncode == 1 and not (run / measure).exists()
    assert "clean/nan.h5: logits lies in another file or place, which no token file does; delete it" in refused.stdout
    path.touch()
    assert "clean.csv: token files of nan are gone, or not what they were" in run.must_run(measure)
    assert (run / measure).read_bytes() == before
    with h5py.File(path) as file:
        assert isinstance(file["levels/clean"].get("logits", getlink=True), h5py.HardLink)


def test_bases_of_subspaces_are_not_unpickled(run):
    bases, executed = run / "results/subspaces/encoder/pets/mask.npz", run.folder.parent / "executed"
    measure = "results/measures/angles/encoder/pets/mask.csv"
    np.savez(bases, labels=np.array([Payload(executed)], dtype=object))
    (run / measure).unlink()
    refused = run.run(measure)
    assert refused.returncode == 1 and not (run / measure).exists() and not executed.exists()
    assert "allow_pickle=False" in refused.stdout


# --- names that are refused -----------------------------------------------------------------------------------------


def test_names_that_cannot_be_paths_are_refused_while_planning(tmp_path):
    config = study(tmp_path / "w.safetensors", tmp_path)
    config["study"]["name"] = "../../out"
    for number, label in enumerate(("..", ".git", "a/b", "a\nb", "cat\n", "{x}", "", " a", "\x1b[2J")):
        config["datasets"][f"bad{number}"] = dataset(tmp_path, labels=["cat", label])
    for name in ("-d", "a b", "x;y", "vit\n", "ä", "end_", "n" * 101):
        config["models"][name] = config["models"]["vit"]
        config["perturbations"][name] = {"kind": "blur", "levels": {"../up": {"kernel": 3, "sigma": 1.0}}}
    said = refused_plan(tmp_path / "clone", config)
    assert "study.name: '../../out' will not do; a name is letters" in said
    for number in range(9):
        assert f"datasets.bad{number}.labels.1: " in said, number
    for name in ("'-d'", "'a b'", "'x;y'", r"'vit\n'", "'ä'", "'end_'", f"'{'n' * 101}'"):
        assert f"models: {name} " in said and f"perturbations: {name} " in said
    assert "'../up' will not do; a level is named by letters" in said


@pytest.mark.parametrize(
    ("key", "label", "said"),
    [
        ("labels", "a\u202egnp", r"datasets.bad.labels: 'a\u202egnp' has the character '\u202e', which is not seen"),
        ("classes", "zero\u200bwidth", r"datasets.bad.classes: 'zero\u200bwidth' has the character '\u200b'"),
        ("labels", "line\u2028", r"datasets.bad.labels: 'line\u2028' has the character '\u2028'"),
        (
            "labels",
            "a<b>",
            "'a<b>' has a word in < and >, which stands for something else in Snakemake; rename the folder",
        ),
        ("labels", "é" * 101, "has 202 bytes, a folder's name at most 200; rename it"),
    ],
)
def test_labels_that_are_not_what_they_look_like_are_refused(tmp_path, key, label, said):
    config = study(tmp_path / "w.safetensors", tmp_path)
    config["datasets"]["bad"] = dataset(tmp_path, classes=["cat", label], labels=["cat", label])
    assert said in _problems(config)


@pytest.mark.parametrize("name", ["tokens", "measures", "logs", "provenance", "images"])
def test_a_study_may_not_have_the_name_of_a_folder_of_all_studies(tmp_path, name):
    config = study(tmp_path / "w.safetensors", tmp_path)
    config["study"]["name"] = name
    assert f"study.name: results/{name}/ is of all studies; choose another name" in _problems(config)


def _problems(config):
    schema = yaml.safe_load((REPOSITORY / "workflow/schemas/config.schema.yaml").read_text())
    with pytest.raises(InputError) as refused:
        settings.check(config, schema)
    return str(refused.value)


# --- files ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def tokens(tmp_path):
    """A token file, and another with a secret of the same shape."""
    for name, value in (("cat", 1), ("secret", 42)):
        with store.writing(tmp_path / f"{name}.h5", ["a", "b"], [0, 1], ["clean"], {"config_hash": "h"}) as writer:
            writer.write("clean", 0, {"cls": np.full((2, 2, 3), value, np.float32)})
    (tmp_path / "raw").write_bytes(np.full((2, 2, 3), 42, np.float32).tobytes())
    return tmp_path / "cat.h5"


def external_link(file, name):
    file[name] = h5py.ExternalLink("secret.h5", name)


def soft_link(file, name):
    file["aside"] = h5py.ExternalLink("secret.h5", "/")
    file[name] = h5py.SoftLink(f"/aside/{name}")


def virtual(file, name):
    with h5py.File("secret.h5") as secret:
        if not isinstance(secret[name], h5py.Dataset):
            pytest.skip("only a dataset can be virtual")
        source = h5py.VirtualSource(secret[name])
        layout = h5py.VirtualLayout(secret[name].shape, secret[name].dtype)
    layout[...] = source
    file.create_virtual_dataset(name, layout)


def external_storage(file, name):
    file.create_dataset(name, (2, 2, 3), "f4", external=[("raw", 0, h5py.h5f.UNLIMITED)])


@pytest.mark.parametrize("name", ["levels/clean/cls", "levels/clean", "levels", "image", "target"])
@pytest.mark.parametrize("point", [external_link, soft_link, virtual, external_storage])
def test_a_token_file_holds_all_that_it_says(tokens, monkeypatch, name, point):
    monkeypatch.chdir(tokens.parent)
    with h5py.File(tokens, "r+") as file:
        del file[name]
        point(file, name)
    refused = pytest.raises(InputError, match=r"cat\.h5: \w+ lies in another file or place, which no token file does")
    with refused, store.open_tokens(str(tokens), "h"):
        pass


def test_a_token_file_that_holds_itself_ends(tokens):
    with h5py.File(tokens, "r+") as file:
        file["levels/clean/again"] = file["levels"]
    with store.open_tokens(str(tokens), "h") as opened:
        assert opened.read("clean", "cls").shape == (2, 2, 3)


@pytest.mark.parametrize(
    "content",
    [
        struct.pack("<Q", 2**63) + b"{}",
        struct.pack("<Q", 60) + b'{"a":{"dtype":"F32","shape":[9],"data_offsets":[0,36]}}     ',
        b"\x80\x04c__builtin__\neval\n(S'1'\ntR.",
        bytes(200),
    ],
)
@pytest.mark.parametrize("suffix", ["safetensors", "pth"])
def test_a_file_that_is_made_to_break_a_reader_is_refused_in_one_line(tmp_path, suffix, content):
    path = tmp_path / f"bad.{suffix}"
    path.write_bytes(content)
    with pytest.raises(InputError, match=rf"^{path}.*(fetch it again|save the state dict alone)"):
        checkpoints.read_weights(str(path))


def test_names_of_images_that_cannot_be_listed_are_refused_and_a_pipe_is_no_picture(tmp_path):
    for name in (b"line\nbreak.png", b"no\xffutf8.png", "a\u202egpj.png".encode()):
        folder = tmp_path / str(len(list(tmp_path.iterdir()))) / "cat"
        folder.mkdir(parents=True)
        Image.new("RGB", (4, 4)).save(folder / "x.png")
        os.rename(folder / "x.png", os.path.join(os.fsencode(folder), name))
        with pytest.raises(InputError, match="which is not seen, in its name; rename it"):
            sampling.sample("pets", f"{folder.parent}/{{label}}/*", ["cat"], 1, 0)
    pipe = tmp_path / "pipes/cat/x.png"
    pipe.parent.mkdir(parents=True)
    os.mkfifo(pipe)
    with pytest.raises(InputError, match=r"cat/x\.png: is no file; remove it, or set on_bad_image: skip"):
        sampling.sample("pets", f"{tmp_path}/pipes/{{label}}/*", ["cat"], 1, 0)
