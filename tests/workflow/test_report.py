"""The report as a co-author sees it: opened in a browser without network, every result clicked on."""

import html
import json
import re
import shutil
import subprocess

import pytest

CATEGORIES = {"Overview", "Layer by layer", "Beyond the paper", "Robustness", "Heads", "Claims", "Models"}
LISTEN = """<script>
const seen = {errors: [], results: {}, graphs: {}};
window.addEventListener("error", (event) => seen.errors.push(event.message || `not loaded: ${event.target.src}`), true);
window.addEventListener("unhandledrejection", (event) => seen.errors.push(String(event.reason)));
console.error = (...words) => seen.errors.push(words.join(" "));
</script>"""
CLICK = """<script>
const rest = () => new Promise((done) => setTimeout(done, 300));
async function look() {
    await rest();
    seen.graphs.rules = document.querySelectorAll("#app svg, #app canvas").length;
    for (const [path, entry] of Object.entries(results)) {
        const image = entry.mime_type.startsWith("image/");
        const view = {content: image ? "img" : "html", contentPath: entry.data_uri, resultPath: path};
        app.setView({navbarMode: "resultinfo", ...view});
        await rest();
        const shown = document.querySelector("#app div.overflow-auto img");
        seen.results[path] = {
            caption: document.querySelector("#app").innerText,
            labels: entry.labels,
            width: image ? shown.naturalWidth : 0,
            text: image ? "" : await (await fetch(entry.data_uri)).text(),
            framed: document.querySelectorAll("#app iframe").length,
        };
    }
    app.setView({content: "stats", navbarMode: "menu"});
    await rest();
    seen.graphs.stats = document.querySelectorAll("#app svg, #app canvas").length;
    seen.categories = Object.keys(categories);
}
look().catch((error) => seen.errors.push(String(error))).finally(() => {
    const note = document.createElement("pre");
    note.id = "seen";
    note.textContent = JSON.stringify(seen);
    document.body.append(note);
});
</script>"""


@pytest.fixture(scope="module")
def report(finished, tmp_path_factory) -> str:
    """The report as one page."""
    page = tmp_path_factory.mktemp("report") / "report.html"
    finished.must_run("--report", str(page))
    return page.read_text()


@pytest.fixture(scope="module")
def seen(report, tmp_path_factory) -> dict:
    """What a browser saw, clicking on each result."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no chromium here (Debian's package is `chromium`)")
    folder = tmp_path_factory.mktemp("browser")
    page = folder / "report.html"
    before, end, after = report.replace("<head>", f"<head>{LISTEN}", 1).rpartition("</body>")
    page.write_text(before + CLICK + end + after)
    offline = ["--host-resolver-rules=MAP * ~NOTFOUND", "--disable-background-networking"]
    command = [
        chromium,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        f"--user-data-dir={folder / 'profile'}",
        *offline,
    ]
    command += ["--window-size=1400,900", "--virtual-time-budget=60000", "--dump-dom", page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    note = re.search(r'<pre id="seen">(.*?)</pre>', done.stdout, re.DOTALL)
    assert note, done.stderr[-2000:]
    return json.loads(html.unescape(note[1]))


def test_nothing_fails_and_nothing_comes_from_elsewhere(seen, report):
    assert seen["errors"] == []
    assert not re.findall(r"<(?:script|link|img|iframe)[^>]*(?:src|href)=[\"']?https?:[^>]*>", report)


def test_every_result_is_shown_with_its_caption(seen, finished):
    made = {path.relative_to(finished.folder) for path in (finished / "results/smoke/figures").glob("*.png")}
    made |= {path.relative_to(finished.folder) for path in (finished / "results/smoke").rglob("*.html")}
    assert set(seen["results"]) == set(map(str, made))
    for path, result in seen["results"].items():
        if path.endswith(".png"):
            assert result["width"] > 400, path
        else:
            assert result["framed"] == 1 and "<table" in result["text"], path
        assert result["labels"]["figure"] and result["labels"]["what"], path
        caption = re.search(r"DESCRIPTION(.*?)\nSIZE", result["caption"], re.DOTALL)
        assert caption and len(caption[1]) > 60, path


def test_the_categories_and_the_graphs_are_there(seen):
    assert set(seen["categories"]) == CATEGORIES
    assert seen["graphs"]["rules"] and seen["graphs"]["stats"]


def test_the_overview_names_settings_models_versions_and_run_times(seen, finished):
    text = seen["results"]["results/smoke/overview.html"]["text"]
    for words in ("Study smoke", "study.finetuned", "perturbations.blur.levels.I.kernel", "analysis.subspace.k"):
        assert words in text, words
    for words in ("trained here: finetune, 1 epochs", "vit_tiny_patch16_224", "all of them", "matplotlib"):
        assert words in text, words
    timed = [path for path in (finished / "results/benchmarks").rglob("*.tsv")]
    assert f"{len(timed)} jobs" in text
    assert len(set(re.findall("[0-9a-f]{64}", text))) == 4  # of all settings and of three weights
