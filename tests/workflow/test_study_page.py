"""The study page as a co-author uses it: in a browser without network, by mouse and keys, and read off the screen.

Numbers on it are held against the study's files, counted here in another way.
"""

import base64
import re
from io import BytesIO

import h5py
import numpy as np
import pandas as pd
import pytest
from browser import CHROMIUM, Browser
from made_up import ALIVE, page_of
from PIL import Image
from reader import plain
from scipy.special import softmax

MEASURES, STUDY = "results/measures", "results/smoke"
OF = "mae_finetuned/three"


def own(name: str) -> str:
    return f"document.getElementById('{name}')"


def text(name: str) -> str:
    return f"{own(name)}.innerText"


@pytest.fixture(scope="module")
def page(finished, tmp_path_factory):
    if CHROMIUM is None:
        pytest.skip("no chromium here (apt-get install chromium)")
    with Browser(finished / f"{STUDY}/study.html", tmp_path_factory.mktemp("browser")) as browser:
        browser.wait(ALIVE)
        yield browser
        assert browser.said == []


def place(browser: Browser, plot: str, x: float, y: float) -> list[float]:
    """Where a point of a plot is on screen."""
    browser.ask(f"{own(f'{plot}-plot')}.scrollIntoView({{block: 'center', behavior: 'instant'}})")
    view = f"[...Bokeh.index].find((view) => view.model === plots.{plot})"
    return browser.ask(f"""(async () => {{
        await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
        const view = {view}, {{x, y}} = view.el.getBoundingClientRect();
        return [x + view.frame.x_scale.compute({x}), y + view.frame.y_scale.compute({y})];
    }})()""")


TOOLTIP = """(() => {
    const words = [], said = (node) => [...node.children].filter((one) => one.tagName !== "STYLE");
    const walk = (node) => {
        const seen = node.classList?.contains("bk-Tooltip") && node.getBoundingClientRect().width;
        if (seen) words.push(...said(node.shadowRoot ?? node).map((one) => one.innerText));
        for (const child of [...node.children, ...(node.shadowRoot?.children ?? [])]) walk(child);
    };
    walk(document.body);
    return words.join(" ");
})()"""  # what stands under the pointer; Bokeh keeps it in shadow roots


def point_at(browser: Browser, plot: str, x: float, y: float, words: str) -> None:
    """Move the mouse to a point of a plot until these words stand there; one that is being drawn hears nothing."""
    for _ in range(10):
        browser.hover([5, 5])
        browser.hover(place(browser, plot, x, y))
        if browser.soon(f"{TOOLTIP}.includes({words!r})"):
            return
    raise AssertionError(f"{words} is not in {browser.ask(TOOLTIP)}")


def measure(finished, name: str, perturbation: str) -> pd.DataFrame:
    return pd.read_parquet(finished / f"{MEASURES}/{name}/{OF}/{perturbation}.parquet")


def test_nothing_comes_from_elsewhere_and_only_its_own_scripts_may_run(finished):
    html = (finished / f"{STUDY}/study.html").read_text()
    assert not re.findall(r"<(?:script|link|img|iframe)[^>]*(?:src|href)=[\"']?https?:[^>]*>", html)
    assert all(f"{what} &#39;none&#39;" in html for what in ("default-src", "base-uri", "form-action"))
    assert "unsafe-eval" not in html
    assert len(html) < 15e6


def test_every_result_that_the_study_makes_is_on_the_page(page, finished):
    shown = page.ask("[...document.querySelectorAll('article')].map((one) => one.id)")
    made = {path.stem for kind in ("figures/*.png", "tables/*.csv") for path in (finished / STUDY).glob(kind)}
    assert set(shown) == made and len(shown) == len(made) > 20
    widths = page.ask(
        "[...document.querySelectorAll('article figure img')].map((one) => [one.naturalWidth, one.alt.length])"
    )
    assert min(map(min, widths)) > 8
    captions = page.ask(
        "[...document.querySelectorAll('article :is(figcaption, .caption)')].map((one) => one.innerText.length)"
    )
    assert len(captions) == len(shown) and min(captions) > 60
    assert page.ask("[...document.querySelectorAll('.found li')].length") == 5
    assert "of the paper" in page.ask("document.querySelector('.found').innerText")
    for place in page.ask("[...document.querySelectorAll('a[href^=\"#\"]')].map((one) => one.hash.slice(1))"):
        assert page.ask(f"Boolean({own(place)})"), place


def test_files_are_saved_as_they_are(page, finished):
    for name in ("figures/figure_5.pdf", "tables/table_1.csv", "tables/claims.tex"):
        file = finished / STUDY / name
        node = f"[...document.querySelectorAll('a[download]')].find((one) => one.download === {file.name!r})"
        assert page.download(node) == (file.name, file.read_bytes())


def test_tables_are_sorted_by_a_click_on_a_heading(page):
    table = "document.querySelector('#table_1 table')"
    column = f"[...{table}.tHead.rows[0].cells].findIndex((cell) => cell.innerText.startsWith('PSNR'))"
    cells = f"[...{table}.tBodies[0].rows].map((row) => row.cells[{column}].innerText)"
    head = f"{table}.tHead.rows[0].cells[{column}]"
    before = page.ask(cells)
    for sort, turn in (("ascending", False), ("descending", True)):
        page.click(f"{head}.querySelector('button')", then=f"{head}.getAttribute('aria-sort') === '{sort}'")
        found = page.ask(cells)
        numbers = [float(cell) for cell in found if cell != "–"]
        assert numbers == sorted(numbers, reverse=turn) and sorted(found) == sorted(before)
        assert found[len(numbers) :] == ["–"] * (len(found) - len(numbers)) and len(numbers) == 2


def test_points_tell_class_and_prediction_and_stay_marked_in_all_layers(page, finished):
    tsne = pd.read_csv(finished / f"{STUDY}/measures/tsne/mae_pretrained/three/mask.csv", dtype={"label": str})
    clean = measure(finished, "accuracy", "clean").set_index("image")["prediction"]
    maps = tsne[tsne["token"] == "mean"].set_index(["layer", "image"])
    page.key("Home", own("tsne-layer"))
    page.wait(f"{text('tsne-layer-out')} === '1 of 2'")
    image = tsne["image"].iloc[-1]
    x, y = maps.loc[(1, image), ["x", "y"]]
    point_at(page, "tsne", x, y, f"calls it {clean[image]}")
    said = page.ask(TOOLTIP)
    assert plain(said).startswith(f"{maps.loc[(1, image), 'label']} mae_finetuned calls it")

    at = place(page, "tsne", x, y)
    page.drag([at[0] - 20, at[1] - 20], [at[0] + 20, at[1] + 20])
    page.wait(f"{text('tsne-marked')}.startsWith('1 image marked: 1 of class {maps.loc[(1, image), 'label']}')")
    strip = f"[...{own('tsne-strip')}.querySelectorAll('img')]"
    assert page.ask(f"{strip}.map((one) => [one.alt, one.naturalWidth])") == [[image, 16]]
    page.key("ArrowRight", own("tsne-layer"))
    page.wait(f"{text('tsne-layer-out')} === '2 of 2'")
    selected = "find('points').selected.indices.map((at) => ['x', 'y'].map((axis) => find('points').data[axis][at]))"
    assert np.allclose(page.ask(selected), [maps.loc[(2, image), ["x", "y"]].to_numpy(float)], atol=0.0051)
    page.key("ArrowDown", own("tsne-token"), times=2)
    page.wait(f"{own('tsne-token')}.value === 'patch'")
    patches = tsne[(tsne["token"] == "patch") & (tsne["layer"] == 2) & (tsne["image"] == image)]
    assert np.allclose(np.sort(page.ask(selected), 0), np.sort(patches[["x", "y"]], 0), atol=0.0051)

    page.key("ArrowDown", own("tsne-class"), times=2)
    page.wait(f"{text('tsne-marked')} === '3 images marked: 3 of class 2.'")
    assert page.ask(f"{strip}.length") == 3
    page.click(own("tsne-clear"), then=f"{text('tsne-marked')} === 'Nothing is marked.'")
    assert page.ask(selected) == []


def test_an_image_is_followed_through_blur_and_occlusion(page, finished):
    def said(image: str, perturbation: str, level: str) -> str:
        """From the token file and the alignment."""
        with h5py.File(finished / f"results/tokens/{OF}/{perturbation}/{image[0]}.h5") as file:
            row = [name.decode() for name in file["image"][:]].index(image)
            shares = softmax(file[f"levels/{level}/logits"][row].astype(np.float64))
            target = int(file["target"][row])
        cosine = 1.0
        if perturbation != "clean":
            rows = measure(finished, "alignment", perturbation)
            rows = rows[(rows["level"] == level) & (rows["image"] == image)]
            cosine = rows.set_index("layer")["cosine"].loc[rows["layer"].max()]
        called, right = int(shares.argmax()), f"wrong; the right class has {shares[target]:.2f}"
        right = "right" if called == target else right
        words = f"{image}, class {target}: called {called} with probability {shares[called]:.2f} ({right})"
        return f"{words}; cosine with the clean image {cosine:.3f}."

    names = page.ask(f"[...{own('path-image')}.options].map((one) => one.text.split(' ')[0])")
    assert len(names) == 12  # all
    assert page.ask(text("path-said")) == said(names[0], "clean", "clean")
    shot = f"{own('path-picture')}.toDataURL()"
    pictures = [page.ask(shot)]
    page.key("ArrowRight", own("path-level"), times=2)
    page.wait(f"/^II\\b/.test({text('path-level-out')})")
    assert page.ask(text("path-said")) == said(names[0], "blur", "II")
    page.click(own("path-next"), then=f"{text('path-said')}.startsWith({names[1]!r})")
    assert page.ask(text("path-said")) == said(names[1], "blur", "II")
    page.click(own("path-before"), then=f"{text('path-said')}.startsWith({names[0]!r})")
    page.wait(f"{shot} !== {pictures[0]!r}")
    page.key("ArrowDown", own("path-by"))
    page.wait(f"{text('path-level-out')}.startsWith('90 %')")
    assert page.ask(text("path-said")) == said(names[0], "occlusion", "90")
    page.click(own("path-rollout"), then=f"!{own('path-rollout')}.checked")
    page.ask("drawPath()")  # its promise: until it is drawn
    seen = np.asarray(Image.open(BytesIO(base64.b64decode(page.ask(shot).partition(",")[2]))).convert("RGB")).astype(
        int
    )
    blocks = seen.reshape(4, 80, 4, 80, 3).transpose(0, 2, 1, 3, 4).reshape(16, -1)
    with h5py.File(finished / f"results/tokens/{OF}/occlusion/{names[0][0]}.h5") as file:
        row = [name.decode() for name in file["image"][:]].index(names[0])
        masked = file["levels/90/masked"][row]
    assert 0 < masked.sum() < 16
    assert np.abs(blocks[masked] - 0.3 * 255).max() < 12  # the mean colour of this model's preprocessing
    page.click(own("path-rollout"), then=f"{own('path-rollout')}.checked")
    page.key("Home", own("path-level"))
    page.wait(f"{text('path-level-out')} === 'clean' && {shot} === {pictures[0]!r}")
    x, y = page.ask("[find('steps').data.level.length, find('steps').data.of_right[1]]")
    assert x == 3
    point_at(page, "path", 1.5, y, "50 %")


def test_classes_are_sorted_by_what_they_lose_with_the_images_that_flip(page, finished):
    def counted(perturbation: str, level: str) -> list[list[str]]:
        rows = measure(finished, "accuracy", perturbation)
        now = rows[rows["level"] == level].merge(
            measure(finished, "accuracy", "clean"), on=["label", "image", "target"]
        )
        found = []
        for label, part in now.groupby("label"):
            before, after = 100 * part["correct_y"].mean(), 100 * part["correct_x"].mean()
            flip = int(((part["correct_y"] == 1) & (part["correct_x"] == 0)).sum())
            found.append(
                [
                    -(before - after),
                    label,
                    str(len(part)),
                    f"{before:.1f}",
                    f"{after:.1f}",
                    f"{before - after:.1f}",
                    str(flip),
                ]
            )
        return [row[1:] for row in sorted(found)]

    rows = f"[...{own('classes-table')}.tBodies[0].rows]"
    cells = f"{rows}.map((row) => [...row.cells].slice(0, 6).map((cell) => cell.innerText))"
    assert page.ask(cells) == counted("blur", "II")  # the last level
    assert page.ask(text("classes-chance")) == "33.3"
    page.key("ArrowLeft", own("classes-level"))
    page.wait(f"/^I\\b/.test({text('classes-level-out')})")
    assert page.ask(cells) == counted("blur", "I")
    names = page.ask(f"[...{own('classes-by')}.options].map((one) => one.value)")
    assert names == ["blur", "occlusion", "occlusion_random", "gaussian_noise", "frost"]
    page.key("ArrowDown", own("classes-by"), times=3)
    page.wait(f"{own('classes-by')}.value === 'gaussian_noise' && {text('classes-level-out')} === '5'")
    assert page.ask(cells) == counted("gaussian_noise", "5")
    for number in range(3):  # by the keyboard: Tab goes on to the next class
        page.key("Enter", f"{own('classes-table')}.querySelectorAll('tbody button')[{number}]")
        label, images, *_, flip = page.ask(cells)[number]
        page.wait(f"{text('classes-detail')}.startsWith('Class {label}: {flip} of {images} images flip')")
        assert page.ask(f"{own('classes-detail')}.querySelectorAll('img').length") == int(flip)
        assert page.ask("document.activeElement.textContent") == label
        rows = measure(finished, "accuracy", "gaussian_noise").query(
            "level == '5' and label == @label and correct == 0"
        )
        for called, count in rows["prediction"].value_counts().items():
            assert f"{called}: {count}" in page.ask(f"{own('classes-detail')}.querySelector('p').innerText")


def test_heads_are_those_of_the_measure_at_each_level(page, finished):
    def counted(perturbation: str, level: str) -> str:
        rows = measure(finished, "features", perturbation)
        part = rows[rows["level"] == (rows["level"].iloc[0] if level == "clean" else level)]
        kept, shuffled = (
            ("common_clean", "shuffled_clean") if level == "clean" else ("common_perturbed", "shuffled_perturbed")
        )
        share, control = (
            100 * part[kept].mean() / part["common_clean"].mean(),
            100 * part[shuffled].mean() / part["shuffled_clean"].mean(),
        )
        return part[kept].mean(), part["common_clean"].mean(), share, control

    def said() -> list[float]:
        return [float(number) for number in re.findall(r"\d+\.\d+", page.ask(text("heads-said")))[-4:]]

    assert re.match(r"II\b", page.ask(text("heads-level-out")))  # the strongest, where there is something to see
    assert np.allclose(said(), counted("blur", "II"), atol=0.06)
    page.key("Home", own("heads-level"))
    page.wait(f"{text('heads-level-out')} === 'clean' && {own('heads-level')}.ariaValueText === 'clean'")
    assert np.allclose(said(), counted("blur", "clean"), atol=0.06)
    page.key("ArrowRight", own("heads-level"), times=2)
    page.wait(f"/^II\\b/.test({text('heads-level-out')})")
    page.key("ArrowDown", own("heads-by"))
    page.wait(f"{text('heads-said')}.startsWith('occlusion, ')")
    assert page.ask(text("heads-level-out")).startswith("50 %")
    assert np.allclose(said(), counted("occlusion", "50"), atol=0.06)
    rows = measure(finished, "features", "occlusion").query("level == '50' and layer == 2 and head == 3")
    kept, clean = rows["common_perturbed"].mean(), rows["common_clean"].mean()
    point_at(page, "heads", 3, 2, f"layer 2, head 3: {kept:.2f} of {clean:.2f} features")
    page.key("ArrowDown", own("heads-what"))
    page.wait("find('colours').high === 100")
    values = page.ask("find('cells').data.value")
    assert len(values) == 6 and np.isclose(values[-1], 100 * kept / clean, atol=0.06)


def contrast(first: str, second: str) -> float:
    """Of two colours `rgb(...)`, as WCAG 2 has it."""
    shares = [np.array(re.findall(r"[\d.]+", colour)[:3], float) / 255 for colour in (first, second)]
    linear = [np.where(own <= 0.04045, own / 12.92, ((own + 0.055) / 1.055) ** 2.4) for own in shares]
    low, high = sorted(float(own @ [0.2126, 0.7152, 0.0722]) for own in linear)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_can_be_read_in_light_and_dark_and_narrow(page, scheme):
    page.dress(scheme, 400)
    colour = "getComputedStyle(document.querySelector({!r})).{}"
    ground = page.ask(colour.format("body", "backgroundColor"))
    for node in ("body", "figcaption", "a[href]", "th button", ".files a"):
        assert contrast(page.ask(colour.format(node, "color")), ground) > 4.5, node
    page.wait(f"plots.heads.left[0].major_label_text_color === {page.ask(colour.format('body', 'color'))!r}")
    assert page.ask("document.documentElement.scrollWidth") <= 400
    page.dress("light")
    controls = "[...document.querySelectorAll('input, select, button, canvas')]"
    unnamed = f"{controls}.filter((one) => !one.labels?.length && !one.ariaLabel && !one.textContent)"
    assert page.ask(f"{unnamed}.map((one) => one.outerHTML)") == []
    assert (
        page.ask("[...document.querySelectorAll('img')].filter((one) => one.getAttribute('alt') === null).length") == 0
    )


def test_the_keyboard_reaches_every_control(page):
    skip = "document.querySelector('a, button, input, select, [tabindex]')"  # the first that the keyboard comes to
    page.ask(f"{skip}.focus()")
    assert page.ask(f"{skip}.className") == "skip" and page.ask(f"{skip}.getBoundingClientRect().left") > 0
    controls = ".controls :is(input, select, button):not([hidden])"
    wanted, seen = set(page.ask(f"[...document.querySelectorAll('{controls}')].map((one) => one.id)")), set()
    for _ in range(400):
        page.key("Tab")
        seen.add(page.ask("document.activeElement.id"))
        if wanted <= seen:
            break
    assert wanted <= seen


def test_paper_has_the_plots_of_the_screen_dark_on_white_and_says_what_was_chosen(page):
    page.dress("dark")
    page.wait(f"plots.heads.left[0].major_label_text_color === {WORDS}")
    page.ask("dispatchEvent(new Event('beforeprint'))")
    page.dress("light", 794, "print")
    shown = "((one) => getComputedStyle(one).display !== 'none')"
    for never in ("nav", ".files", ".controls :is(button, input)", ".plot > :not(.on-paper)"):
        assert page.ask(f"[...document.querySelectorAll('{never}')].filter({shown}).length") == 0, never
    assert page.ask("[...document.querySelectorAll('details')].every((one) => one.open)")
    assert page.ask(f"[...document.querySelectorAll('.controls output, .controls select')].every({shown})")
    for name in ("tsne", "path", "heads"):
        canvas = f"document.querySelector('#{name}-plot .on-paper')"
        wide, high, scroll = page.ask(f"""(() => {{
            const {{width, height}} = {canvas}.getBoundingClientRect();
            return [width, height, document.documentElement.scrollWidth];
        }})()""")
        drawn = Image.open(BytesIO(base64.b64decode(page.ask(f"{canvas}.toDataURL()").partition(",")[2])))
        assert wide > 400 and scroll <= 794 and wide / high == pytest.approx(drawn.width / drawn.height, rel=0.02)
        grey, alpha = (np.asarray(drawn.convert(mode), float) for mode in ("L", "RGBA"))
        ink = grey[alpha[..., 3] > 200]
        assert len(ink) > 100 and (name == "tsne" or (ink < 30).any()) and not (ink > 250).any(), name
    page.dress("dark")
    page.ask("dispatchEvent(new Event('afterprint'))")
    assert page.ask("document.querySelectorAll('.on-paper').length") == 0
    assert page.ask(f"plots.heads.left[0].major_label_text_color === {WORDS}")
    page.dress("light")


WORDS = "getComputedStyle(document.body).color"  # of words on screen, in whichever scheme it is


HOSTILE = ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "'; alert(1) //", "</script>", "{{ 7 * 7 }}"]


def test_names_full_of_markup_are_text_and_a_thousand_classes_are_shown_in_parts(tmp_path):
    labels = HOSTILE + [f"class {number}" for number in range(995)]
    with Browser(page_of(tmp_path, labels, each=1), tmp_path) as browser:
        browser.wait(ALIVE)
        browser.ask("window.alert = () => { document.title = 'alert'; }")
        assert browser.ask(f"{own('classes-table')}.tBodies[0].rows.length") == 30
        browser.click(own("classes-all"), then=f"{own('classes-table')}.tBodies[0].rows.length === 1000")
        found = browser.ask(
            f"[...{own('classes-table')}.querySelectorAll('tbody button')].map((one) => one.textContent)"
        )
        assert set(found) == {*labels, "named"} - {"class 0"}
        assert "A & B, C" in browser.ask("document.querySelector('header').innerText")
        buttons = f"[...{own('classes-table')}.querySelectorAll('tbody button')]"
        for name in HOSTILE[:3]:
            browser.key("Enter", f"{buttons}.find((one) => one.textContent === {name!r})")
            browser.wait(f"{text('classes-detail')}.includes({name!r})")
        browser.key("ArrowDown", own("tsne-class"))
        browser.wait(f"{text('tsne-strip')}.includes('<script>')")
        where = browser.ask("[find('points').data.x[1], find('points').data.y[1]]")
        point_at(browser, "tsne", *where, "onerror=alert")
        assert browser.ask("document.title") == "<b>made up</b>" and browser.said == []
        assert browser.ask("document.querySelectorAll('script').length") == 3
        browser.ask(
            "document.body.append(Object.assign(document.createElement('script'), {text: 'document.title = 1'}))"
        )
        assert browser.ask("document.title") != "1"  # the policy is heard
        assert browser.ask("fetch('data:,x').then(() => 'fetched', () => 'refused')") == "refused"


def test_a_finger_that_drags_over_the_map_scrolls_the_page(tmp_path):
    brush = "[find('brush').active, [...Bokeh.index].find((one) => one.model === plots.tsne).canvas.touch_action.css]"
    with Browser(page_of(tmp_path, ["a", "b"], each=3), tmp_path) as browser:
        browser.wait(ALIVE)
        active, told = browser.ask(brush)
        assert active and "auto" not in told
        browser.touch()
        browser.wait(ALIVE)
        active, told = browser.ask(brush)
        assert not active and "auto" in told and browser.said == []


def test_what_a_study_has_not_is_left_out_and_said(tmp_path):
    with Browser(page_of(tmp_path, ["one"], each=3, bare=True), tmp_path) as browser:
        browser.wait(ALIVE)
        assert "study.pretrained is not set" in browser.ask(text("tsne"))
        assert "study.thumbnails is false" in browser.ask(text("path"))
        assert browser.ask(f"{own('classes-table')}.tBodies[0].rows.length") == 1
        browser.wait(
            f"{text('heads-said')}.endsWith('with shuffled labels – %.')"
        )  # of one class nothing can be shuffled
        browser.key("Enter", f"{own('classes-table')}.querySelector('tbody button')")
        browser.wait(f"{text('classes-detail')}.startsWith('Class one')")
        assert browser.said == [] and browser.ask("[...document.images].length") == 0


def test_without_a_pretrained_model_the_page_asks_for_nothing_of_one(without_pretrained):
    jobs = {job[0] for job in without_pretrained.plan("study_page")}
    assert {"study_page", "thumbnails", "figure_5"} <= jobs and not {"tsne", "figure_1", "separation"} & jobs


def test_without_the_pictures_files_only_pictures_cannot_be_made(smoke):
    for name in ("thumbnails.json", "study.html", "figures/figure_5.png"):
        (smoke / STUDY / name).unlink()
    for path in (smoke / "results/data/digits/test/0").iterdir():
        path.unlink()
    settings = smoke.config()
    settings["study"]["thumbnails"] = False
    smoke.configure(settings)
    assert "thumbnails" not in [job[0] for job in smoke.plan("study_page", "figure_5", "--rerun-triggers", "mtime")]
