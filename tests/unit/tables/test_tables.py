"""From tidy measures to tables: hand-made measures whose tables are known on paper."""

from html.parser import HTMLParser
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest

from maescope.tables import accuracies, table_1, table_3, writing

INTERVALS = {"resamples": 500, "confidence": 0.95, "seed": 0}


def accuracy(correct, labels=None, **columns):
    """Rows of the measure `accuracy`: level -> right or wrong of each image."""
    frames = []
    for level, answers in correct.items():
        names = labels or ["a"] * (len(answers) // 2) + ["b"] * (len(answers) - len(answers) // 2)
        images = [f"{label}/{n}.png" for n, label in enumerate(names)]
        frame = pd.DataFrame({"level": level, "label": names, "image": images, "correct": answers})
        frames.append(frame.assign(**columns))
    return pd.concat(frames, ignore_index=True)


def test_accuracy_change_and_mcnemar_are_those_of_the_paired_images():
    measure = accuracy({"clean": [1] * 8 + [0] * 2, "I": [1, 1, 0, 0, 0, 0, 1, 1, 1, 0]}, model="m")
    measure = pd.concat([measure[10:].sample(frac=1, random_state=0), measure[:10]])  # pairing goes by image, not place
    rows = accuracies.with_intervals(measure, ["model", "level"], INTERVALS).set_index("level")
    assert rows.loc["clean", ["accuracy", "change", "p_mcnemar", "images"]].tolist() == [80, 0, 1, 10]
    assert rows.loc["I", "accuracy"] == pytest.approx(50)
    assert rows.loc["I", "change"] == pytest.approx(-30)
    assert rows.loc["I", "p_mcnemar"] == pytest.approx(2 * (1 + 5) / 2**5)  # four lost, one won
    assert rows.loc["I", "accuracy_low"] < 50 < rows.loc["I", "accuracy_high"]
    assert rows.loc["I", "change_low"] < -30 < 0 < rows.loc["I", "change_high"]  # p is 0.375
    assert rows.loc["clean", ["change_low", "change_high"]].tolist() == [0, 0]  # of clean from itself


def test_the_change_and_its_p_agree_where_no_class_varies_within():
    # right on one class, then on another: within classes nothing varies, and so no interval may be drawn from that
    measure = accuracy({"clean": [1] * 10 + [0] * 12, "I": [0] * 10 + [1] * 12}, ["a"] * 10 + ["b"] * 12, model="m")
    row = accuracies.with_intervals(measure, ["model", "level"], INTERVALS).set_index("level").loc["I"]
    assert row["change"] == pytest.approx(100 * 2 / 22)
    assert row["p_mcnemar"] == pytest.approx(binomtest(10, 22).pvalue)
    assert row["change_low"] < 0 < row["change_high"]


def test_each_model_is_compared_with_its_own_clean_images():
    good = accuracy({"clean": [1] * 10, "I": [0] * 10}, model="good")
    bad = accuracy({"clean": [0] * 10, "I": [1] * 10}, model="bad")
    rows = accuracies.with_intervals(pd.concat([good, bad]), ["model", "level"], INTERVALS).set_index(
        ["model", "level"]
    )
    assert rows.loc[("good", "I"), "change"] == -100
    assert rows.loc[("bad", "I"), "change"] == 100
    expected = binomtest(10, 10).proportion_ci(0.95, method="wilson")
    assert rows.loc[("good", "clean"), "accuracy_low"] == pytest.approx(100 * expected.low)


def test_occlusion_curves_are_sorted_by_percentage_as_numbers_and_models_as_they_come():
    levels = {"90": [0, 0], "0": [1, 1], "10": [1, 0]}
    measure = pd.concat([accuracy(levels, model=m, perturbation="occlusion") for m in ("z", "a")])
    curves = accuracies.occlusion_curves(measure, INTERVALS)
    assert curves["model"].tolist() == ["z"] * 3 + ["a"] * 3
    assert curves["percent"].tolist() == [0, 10, 90] * 2
    assert curves["accuracy"].tolist() == [100, 50, 0] * 2


def test_the_area_under_a_straight_line_is_its_middle_and_zero_percent_counts():
    line = {str(p): [1] * (10 - p // 10) + [0] * (p // 10) for p in range(0, 100, 10)}
    curves = accuracies.occlusion_curves(accuracy(line, model="m", perturbation="o"), INTERVALS)
    assert curves["area"].tolist() == pytest.approx([(100 + 10) / 2] * 10)


def test_the_area_under_unevenly_spaced_levels_is_that_of_the_trapezoids():
    curve = {"0": [1, 1], "10": [1, 1], "90": [0, 0]}
    curves = accuracies.occlusion_curves(accuracy(curve, model="m", perturbation="o"), INTERVALS)
    assert curves["area"].iloc[0] == pytest.approx((10 * 100 + 80 * 50) / 90)


def test_the_area_of_a_single_level_is_not_a_number():
    curves = accuracies.occlusion_curves(accuracy({"0": [1, 1]}, model="m", perturbation="o"), INTERVALS)
    assert np.isnan(curves["area"].iloc[0])


FILTERS = {level: {"kernel": 5, "sigma": s} for level, s in {"I": 1.0, "II": 2.0, "III": 4.0}.items()}
PAPER_FILTERS = {"kernel": [5, 7], "sigma": [1.0, 2.0]}  # its level II is another filter than ours


def quality(psnr):
    rows = [
        (level, "a", f"a/{n}.png", value, value / 100) for level, pair in psnr.items() for n, value in enumerate(pair)
    ]
    return pd.DataFrame(rows, columns=["level", "label", "image", "psnr_db", "ssim"])


def blur_table(psnr=None, paper=None, models=("m",), same_crop=None):
    levels = {"clean": [1, 1, 1, 0], "I": [1, 1, 0, 0], "II": [1, 0, 0, 0], "III": [0] * 4}
    measure = pd.concat([accuracy(levels, model=model) for model in models])
    psnr = psnr or {"I": (30, 32), "II": (20, 22), "III": (25, 27)}
    return table_1.table(measure, quality(psnr), FILTERS, same_crop or models, INTERVALS, paper)


def test_table_1_has_means_of_psnr_and_ssim_the_filters_and_the_measured_order():
    table = blur_table(models=("m", "n"))
    assert table["model"].tolist() == ["m"] * 4 + ["n"] * 4
    table = table[table["model"] == "n"].set_index("level")
    assert table.index.tolist() == ["clean", "I", "II", "III"]
    assert table["accuracy"].tolist() == [75, 50, 25, 0]
    assert table.loc[["I", "II", "III"], "psnr_db"].tolist() == [31, 21, 26]
    assert table.loc["II", "ssim"] == pytest.approx(0.21)
    assert table.loc[["I", "II", "III"], "order_by_psnr"].tolist() == [1, 3, 2]
    assert table.loc[["I", "III"], "sigma"].tolist() == [1, 4]
    assert table.loc["clean", ["psnr_db", "kernel", "order_by_psnr"]].isna().all()


def test_levels_of_equal_psnr_share_the_better_place():
    table = blur_table({"I": (20, 20), "II": (20, 20), "III": (20, 20)}).set_index("level")
    assert table.loc[["I", "II", "III"], "order_by_psnr"].tolist() == [1, 1, 1]


def test_table_1_sets_the_papers_values_and_the_differences_beside_the_measured_ones():
    paper = pd.DataFrame({"level": ["I", "II"], **PAPER_FILTERS, "accuracy": 40.0, "psnr_db": 30.0, "ssim": 0.9})
    table = blur_table(paper=paper).set_index("level")
    assert table.loc["I", "accuracy_difference"] == pytest.approx(10)
    assert table.loc["I", "psnr_db_difference"] == pytest.approx(1)
    assert np.isnan(table.loc["II", "accuracy_paper"])
    printed = table_1.printed(table.reset_index()).set_index("level")
    assert printed.loc["I", "paper's accuracy"] == "40.0"
    assert printed.loc["I", "difference"] == "+10.0"
    assert printed.loc["II", "difference"] == "–"


def test_the_papers_values_stand_beside_its_own_model_and_its_own_filters_only():
    paper = pd.DataFrame({"level": ["I", "II"], **PAPER_FILTERS, "accuracy": 40.0, "psnr_db": 30.0, "ssim": 0.9})
    table = blur_table(paper=paper, models=("mae", "vit")).set_index(["model", "level"])
    assert table["accuracy_paper"].dropna().index.tolist() == [("mae", "I")]
    assert table["accuracy_difference"].dropna().index.tolist() == [("mae", "I")]


def test_quality_stands_beside_models_that_see_the_same_crop_only():
    table = blur_table(models=("mae", "vit"), same_crop=["mae"]).set_index("model")
    assert table.loc["mae", "psnr_db"].notna().sum() == 3
    assert table.loc["vit", ["psnr_db", "ssim", "order_by_psnr"]].isna().to_numpy().all()


def test_table_1_prints_dashes_where_there_is_nothing_and_no_paper_columns_without_a_paper():
    printed = table_1.printed(blur_table()).set_index("level")
    assert printed.loc["clean", ["kernel", "sigma", "p", "PSNR (dB)", "SSIM", "order by PSNR"]].tolist() == ["–"] * 6
    assert printed.loc["I", ["kernel", "sigma", "PSNR (dB)", "SSIM"]].tolist() == ["5", "1.0", "31.00", "0.310"]
    assert printed.loc["I", "change"].startswith("-25.0 [")
    assert printed.loc["I", "accuracy (%)"].startswith("50.0 [")
    assert not any("paper" in column for column in printed)


def alignment(layers=2, correct=(1, 1, 0, 1), **columns):
    rows = []
    for layer in range(1, layers + 1):
        for n, (label, cosine) in enumerate((("a", 1.0), ("a", 0.8), ("a", 0.6), ("b", 0.2))):
            value = cosine if layer == layers else -1.0
            rows.append(("I", label, f"{label}/{n}.png", layer, value, 5.0 + n, 4.0, correct[n]))
    names = ["level", "label", "image", "layer", "cosine", "norm_clean", "norm_perturbed", "correct"]
    return pd.DataFrame(rows, columns=names).assign(**columns)


def answers(**columns):
    clean = accuracy({"clean": [1, 1, 1, 1]}, ["a", "a", "a", "b"]).assign(**columns | {"perturbation": "clean"})
    return pd.concat([clean, accuracy({"I": [1, 1, 0, 1]}, ["a", "a", "a", "b"]).assign(**columns)])


BLUR = {"model": "m", "perturbation": "blur"}


def test_table_3_takes_the_last_layer_and_means_over_classes_of_means_over_images():
    (row,) = table_3.table(alignment(**BLUR), answers(**BLUR), INTERVALS, None).to_dict("records")
    assert row["mean_cosine"] == pytest.approx((0.8 + 0.2) / 2)
    assert 0.2 <= row["cosine_low"] < 0.5 < row["cosine_high"] <= 1  # class b has one image: all are drawn together
    assert 0.2 <= row["cosine_low_correct"] < 0.55 < row["cosine_high_correct"] <= 1
    assert np.isnan([row["cosine_low_misclassified"], row["cosine_high_misclassified"]]).all()  # of one image
    assert row["mean_cosine_correct"] == pytest.approx((0.9 + 0.2) / 2)
    assert row["mean_cosine_misclassified"] == pytest.approx(0.6)
    assert (row["images"], row["images_correct"], row["images_misclassified"]) == (4, 3, 1)
    assert row["norm_difference"] == pytest.approx((2 + 4) / 2)
    assert row["accuracy"] == 75


def test_table_3_takes_the_last_layer_of_each_model():
    deep, shallow = BLUR | {"model": "deep"}, BLUR | {"model": "shallow"}
    cosines = pd.concat([alignment(layers=3, **deep), alignment(layers=2, **shallow)])
    table = table_3.table(cosines, pd.concat([answers(**deep), answers(**shallow)]), INTERVALS, None)
    assert table["model"].tolist() == ["deep", "shallow"]
    assert table["mean_cosine"].tolist() == pytest.approx([0.5, 0.5])


def test_table_3_without_misclassified_images_shows_a_dash():
    table = table_3.table(alignment(correct=(1, 1, 1, 1), **BLUR), answers(**BLUR), INTERVALS, None)
    assert table_3.printed(table)["misclassified"].tolist() == ["– (0)"]


def test_an_embedding_of_zeros_is_in_no_mean_of_cosines_and_noted():
    measure = alignment(**BLUR)
    measure.loc[(measure["image"] == "a/1.png") & (measure["layer"] == 2), "cosine"] = np.nan
    (row,) = table_3.table(measure, answers(**BLUR), INTERVALS, None).to_dict("records")
    assert row["mean_cosine"] == pytest.approx(((1.0 + 0.6) / 2 + 0.2) / 2)
    assert row["mean_cosine_correct"] == pytest.approx((1.0 + 0.2) / 2)
    assert (row["images"], row["images_correct"], row["images_misclassified"]) == (3, 2, 1)
    assert row["norm_difference"] == pytest.approx((2 + 4) / 2)  # of all
    said = "1 images (the first is a/1.png) have an embedding of zeros, clean or perturbed, of m: "
    assert table_3.notes(measure)[-1].startswith(said)
    assert table_3.notes(alignment(**BLUR)) == table_3.NOTES


def test_intervals_of_cosines_are_those_of_the_images_that_have_one():
    measure = alignment(**BLUR).assign(label="a")
    whole = measure[measure["image"] != "a/1.png"]
    measure.loc[measure["image"] == "a/1.png", "cosine"] = np.nan
    found, wanted = (table_3.table(m, answers(**BLUR), INTERVALS, None).iloc[0] for m in (measure, whole))
    columns = ["mean_cosine", "cosine_low", "cosine_high"]
    assert found[columns].tolist() == wanted[columns].tolist() and found[columns].notna().all()


def test_table_3_sets_the_papers_cosine_and_the_difference_beside_the_measured_one():
    paper = pd.DataFrame({"perturbation": ["occlusion", "blur"], "level": ["I", "I"], "mean_cosine": [0.1, 0.4]})
    table = table_3.table(alignment(**BLUR), answers(**BLUR), INTERVALS, paper)
    assert table["mean_cosine_difference"].tolist() == pytest.approx([0.1])
    printed = table_3.printed(table)
    assert printed[["paper's cosine", "difference"]].to_numpy().tolist() == [["0.400", "+0.100"]]


def test_notes_tell_the_sample_the_interval_and_where_images_were_fewer():
    measure = accuracy({"clean": [1] * 5, "I": [1] * 5}, ["a", "a", "a", "b", "b"], model="m")
    whole, fewer = accuracies.notes_on_accuracy(measure, 3, INTERVALS)
    assert whole.startswith("5 images of 2 classes; 95 % intervals")
    assert "500 resamples" in whole
    assert fewer == "Fewer than the 3 images asked for: b 2."
    assert len(accuracies.notes_on_accuracy(measure, 2, INTERVALS)) == 1
    assert len(accuracies.notes_on_accuracy(measure, None, INTERVALS)) == 1


def test_pictures_enlarged_more_than_twofold_are_noted_by_model():
    images = pd.DataFrame({"width": [8, 16, 400], "height": [9, 900, 15]})  # sides of 8, 16 and 15
    b_and_d, c = accuracies.notes_on_size(images, {"a": 16, "b": 32, "c": 224, "d": 32})
    said = "2 of 3 pictures are enlarged more than twofold for b, d, the smallest from 8 to 32 px; what they lack in"
    assert b_and_d == f"{said} detail is interpolated."
    assert c.startswith("3 of 3 pictures are enlarged more than twofold for c, the smallest from 8 to 224 px; ")


class Cells(HTMLParser):
    """Texts of the cells of a table."""

    def __init__(self, text):
        super().__init__()
        self.cells, self.tags = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag in ("td", "th", "li", "h1"):
            self.cells.append("")

    def handle_data(self, data):
        if self.tags[-1] in ("td", "th", "li", "h1"):
            self.cells[-1] += data.strip()


@pytest.fixture
def written(tmp_path):
    outputs = SimpleNamespace(**{kind: str(tmp_path / f"t.{kind}") for kind in ("csv", "tex", "md", "html")})
    printed = pd.DataFrame({"model & co": ["a_b", "x|y", "<b>"], "50 %": ["–", "{~^#$}", "\\n"]})
    writing.write_table(pd.DataFrame({"value": [0.1, 0.2]}), printed, "Title & <more>", ["note_1 < 2 %"], outputs)
    return {kind: open(path, encoding="utf-8").read() for kind, path in vars(outputs).items()}


def test_the_csv_has_all_numbers(written):
    assert written["csv"] == "value\n0.1\n0.2\n"


def test_latex_is_escaped_and_uses_booktabs(written):
    lines = written["tex"].splitlines()
    rows = lines[lines.index(r"\toprule") + 1 : lines.index(r"\bottomrule")]
    assert rows == [
        r"model \& co & 50 \% \\",
        r"\midrule",
        r"a\_b & -- \\",
        r"x|y & \{\textasciitilde{}\textasciicircum{}\#\$\} \\",
        r"<b> & \textbackslash{}n \\",
    ]
    assert r"\caption{Title \& <more>}" in lines
    assert r"\begin{tabular}{ll}" in lines
    assert r"\par\footnotesize note\_1 < 2 \%" in lines


def test_markdown_keeps_every_cell_in_its_column(written):
    lines = written["md"].splitlines()
    assert lines[0] == "**Title & <more>**"
    assert lines[2:4] == ["| model & co | 50 % |", "| --- | --- |"]
    assert lines[5] == r"| x\|y | {\~^#\$} |"
    assert lines[-1] == "- note_1 < 2 %"


def test_html_is_escaped_and_parses_back_to_the_cells(written):
    found = Cells(written["html"])
    assert found.cells == [
        "Title & <more>", "model & co", "50 %", "a_b", "–", "x|y", "{~^#$}", "<b>", "\\n", "note_1 < 2 %",
    ]  # fmt: skip
    assert "b" not in found.tags and "more" not in found.tags


def test_the_html_needs_nothing_from_elsewhere(written):
    assert "http" not in written["html"] and "src=" not in written["html"]


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        *((text, True) for text in ("-5.4 [-8.0, -3.0]", "9.8e-05", "96.2= [94.1, 97.6]", "–", "33.3 [13.8, 60.9] %")),
        *((text, False) for text in ("the interval of the accuracy", "0 [0, 0] % of patches", "3 <b>", "")),
    ],
)
def test_lines_of_numbers_are_not_broken_in_a_page(text, whole, tmp_path):
    paths = SimpleNamespace(**{suffix: str(tmp_path / f"t.{suffix}") for suffix in ("csv", "tex", "md", "html")})
    writing.write_table(pd.DataFrame({"a": [1]}), pd.DataFrame({"a": [text]}), "title", [], paths)
    page = (tmp_path / "t.html").read_text()
    assert ("<td class=n>" in page) == whole and ".n{white-space:nowrap}" in page


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("norm 14.9 [12, 17.8]", "norm <span class=n>14.9 [12, 17.8]</span>"),
        ("-0.362 [-0.927, 0.128] degrees", "<span class=n>-0.362 [-0.927, 0.128] degrees</span>"),
        (
            "a < b by 3 [1, 5] and 2 [0, 4]",
            "a &lt; b by <span class=n>3 [1, 5]</span> and <span class=n>2 [0, 4]</span>",
        ),
        ("cat [no. 3]", "cat [no. 3]"),
        ("7 [a, b]", "7 [a, b]"),
    ],
)
def test_intervals_among_words_are_not_broken_either(text, cell):
    assert writing._cell(text) == f"<td>{cell}</td>"
