"use strict";
// What is alive on the study page. Names of classes and images may be anything: they become text, never markup.

const D = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#888888"];
const MARKERS = ["circle", "square", "triangle", "diamond", "inverted_triangle", "hex", "star"];
const SHAPES = {
    circle: "M8 2a6 6 0 1 0 .01 0z", square: "M2 2h12v12H2z", triangle: "M8 2l7 12H1z", diamond: "M8 1l7 7-7 7-7-7z",
    inverted_triangle: "M8 14L1 2h14z", hex: "M4 2h8l4 6-4 6H4L0 8z", star: "M8 0l2 6h6l-5 4 2 6-5-4-5 4 2-6-5-4h6z",
};
const NOTHING = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7";
const ROWS = 30, STRIP = 60;  // classes and images that are shown at first, and at most
const picture = (data) => data ? `data:image/webp;base64,${data}` : NOTHING;
const percent = (part, whole) => whole ? (100 * part / whole).toFixed(1) : "–";
const called = (prediction) => prediction < 0 ? "–" : D.outputs[prediction] ?? `class ${prediction}`;
const named = (by, level) => (D.panels[by] ?? {})[level] ?? level;

function make(tag, properties = {}, ...children) {
    const node = Object.assign(document.createElement(tag), properties);
    node.append(...children);
    return node;
}

function fill(select, pairs) {
    select.replaceChildren(...pairs.map(([value, words]) => make("option", { value, textContent: words })));
}

// A slider that goes from 0 to `most` stands at a place, which it tells in words to eyes and ears.
function slide(id, most, at, words) {
    Object.assign($(id), { max: most, value: at, ariaValueText: words });
    $(`${id}-out`).textContent = words;
}

// ---- Plots

const plots = {};

function find(name) {
    for (const one of Bokeh.documents) {
        const model = one.get_model_by_name(name);
        if (model) return model;
    }
}

function theme(paper = false) {
    const style = getComputedStyle(document.body);
    const [text, line] = paper ? ["#000", "#999"] : [style.color, style.getPropertyValue("--line").trim()];
    for (const plot of Object.values(plots)) {
        for (const own of [...plot.below, ...plot.left, ...plot.right, ...plot.center]) {
            const known = Object.keys(own.properties ?? {});
            for (const key of known) {
                if (/(label|title)_text_color$/.test(key)) own[key] = text;
                else if (/^(grid|axis|major_tick|minor_tick)_line_color$/.test(key) && own[key]) own[key] = line;
            }
        }
    }
}

async function embed(name) {
    await Bokeh.embed.embed_item(D.plots[name], `${name}-plot`);
    plots[name] = find(name);
    theme();
}

// ---- t-SNE

const marked = new Set();
let drawing = false;

const places = [];  // labels in the maps, in the order in which Figures 1 and 2 give them colours

function colour(label) {
    return COLOURS[places.indexOf(label) % COLOURS.length];
}

function marker(label) {
    const place = places.indexOf(label);
    return MARKERS[(place + Math.floor(place / COLOURS.length)) % MARKERS.length];
}

function said(image) {
    const prediction = D.predictions[D.first].clean.predictions[0][image];
    return `${D.first} calls it ${called(prediction)}`;
}

function drawMap() {
    const map = D.maps[$("tsne-token").value], layer = +$("tsne-layer").value;
    const labels = map.image.map((image) => D.images.label[image]), points = find("points");
    slide("tsne-layer", map.layers.length - 1, layer, `${map.layers[layer]} of ${map.layers.at(-1)}`);
    drawing = true;
    points.data = {
        x: map.x[layer], y: map.y[layer], colour: labels.map(colour), marker: labels.map(marker),
        picture: map.image.map((image) => picture(D.images.picture[image])),
        label: labels.map((label) => D.labels[label]),
        said: map.image.map((image, at) => said(image) + (map.patch[at] < 0 ? "" : `; patch ${map.patch[at] + 1}`)),
    };
    for (const axis of ["x", "y"]) {
        const low = Math.min(...map[axis][layer]), high = Math.max(...map[axis][layer]), room = 0.05 * (high - low) || 1;
        plots.tsne[`${axis}_range`].setv({ start: low - room, end: high + room });
    }
    points.selected.indices = [...map.image.keys()].filter((at) => marked.has(map.image[at]));
    drawing = false;
}

function brushed() {
    if (drawing) return;
    const map = D.maps[$("tsne-token").value];
    marked.clear();
    for (const at of find("points").selected.indices) marked.add(map.image[at]);
    $("tsne-class").value = "";
    tellMarked();
}

function mark(images) {
    marked.clear();
    images.forEach((image) => marked.add(image));
    tellMarked();
    drawMap();
}

function tellMarked() {
    const images = [...marked].sort((a, b) => a - b), counts = new Map();
    for (const image of images) counts.set(D.images.label[image], (counts.get(D.images.label[image]) ?? 0) + 1);
    const parts = [...counts].map(([label, count]) => `${count} of class ${D.labels[label]}`);
    $("tsne-marked").textContent = images.length ? `${images.length} image${images.length === 1 ? "" : "s"} marked: ${parts.join(", ")}.` : "Nothing is marked.";
    $("tsne-strip").replaceChildren(...images.slice(0, STRIP).map((image) => tile(image, `called ${called(
        D.predictions[D.first].clean.predictions[0][image])}`)));
    if (images.length > STRIP) $("tsne-strip").append(make("li", { textContent: `and ${images.length - STRIP} more` }));
}

function tile(image, words) {
    const own = D.images.picture[image], label = D.labels[D.images.label[image]];
    const seen = own ? make("img", { src: picture(own), alt: D.images.name[image] }) : make("span", { className: "none" });
    return make("li", { title: D.images.name[image] }, seen, make("b", { textContent: label }), ` ${words}`);
}

function swatch(label) {
    const space = "http://www.w3.org/2000/svg", own = document.createElementNS(space, "svg");
    own.setAttribute("viewBox", "0 0 16 16");
    own.setAttribute("aria-hidden", "true");
    const path = document.createElementNS(space, "path");
    path.setAttribute("d", SHAPES[marker(label)]);
    path.setAttribute("fill", colour(label));
    own.append(path);
    return own;
}

async function startMap() {
    const words = { mean: "mean patch token", cls: "CLS token", patch: "patch tokens" };
    const tokens = Object.keys(D.maps), labels = [...new Set(D.maps[tokens[0]].image.map((image) => D.images.label[image]))];
    places.push(...labels);
    fill($("tsne-token"), tokens.map((token) => [token, words[token]]));
    fill($("tsne-class"), [["", "none"], ...labels.map((label) => [label, D.labels[label]])]);
    slide("tsne-layer", D.maps[tokens[0]].layers.length - 1, D.maps[tokens[0]].layers.length - 1, "");
    $("tsne-legend").replaceChildren(...labels.map((label) => make("li", {}, swatch(label), ` ${D.labels[label]}`)));
    await embed("tsne");
    if (matchMedia("(pointer: coarse)").matches) find("brush").active = false;  // a finger that drags scrolls the page
    $("tsne-token").addEventListener("change", drawMap);
    $("tsne-layer").addEventListener("input", drawMap);
    $("tsne-class").addEventListener("change", ({ target }) => {
        const images = new Set(Object.values(D.maps).flatMap((map) => map.image));
        mark(target.value === "" ? [] : [...images].filter((image) => D.images.label[image] === +target.value));
    });
    $("tsne-clear").addEventListener("click", () => { $("tsne-class").value = ""; mark([]); });
    drawMap();
    find("points").selected.properties.indices.change.connect(brushed);
    tellMarked();
}

// ---- One image, degraded

let drawn = 0;

function steps() {
    const path = D.paths[+$("path-image").value];
    return [path.steps.clean[0], ...path.steps[$("path-by").value].filter((step) => step.level !== "0")];
}

async function drawPicture(path, step) {
    const own = ++drawn, image = new Image();
    image.src = picture(step.picture);
    await image.decode();
    if (own !== drawn) return;
    const canvas = $("path-picture"), pen = canvas.getContext("2d"), [rows, columns] = path.grid;
    canvas.height = Math.round(canvas.width * image.naturalHeight / image.naturalWidth);
    canvas.style.height = "auto";
    pen.imageSmoothingEnabled = false;
    pen.drawImage(image, 0, 0, canvas.width, canvas.height);
    if (!$("path-rollout").checked) return;
    const least = Math.min(...path.rollout), span = 1 - least || 1;
    const wide = canvas.width / columns, high = canvas.height / rows;
    path.rollout.forEach((share, at) => {
        pen.fillStyle = `rgba(255, 170, 0, ${0.7 * (share - least) / span})`;
        pen.fillRect((at % columns) * wide, Math.floor(at / columns) * high, wide, high);
    });
}

function drawPath() {
    const path = D.paths[+$("path-image").value], by = $("path-by").value, own = steps();
    const at = Math.min(+$("path-level").value, own.length - 1), step = own[at], levels = own.map((one) => named(by, one.level));
    slide("path-level", own.length - 1, at, levels[at]);
    const right = step.prediction === path.target;
    $("path-said").textContent = `${path.image}, class ${called(path.target)}: called ${called(step.prediction)} with probability `
        + `${step.probability.toFixed(2)} (${right ? "right" : `wrong; the right class has ${step.of_right.toFixed(2)}`}); cosine with the clean image `
        + `${step.cosine === null ? "not measured" : step.cosine.toFixed(3)}.`;
    find("levels").factors = own.map((one) => one.level);
    find("steps").data = {
        level: own.map((one) => one.level), cosine: own.map((one) => one.cosine ?? NaN), of_right: own.map((one) => one.of_right),
        said: own.map((one, place) => `${levels[place]}: called ${called(one.prediction)}, right class ${one.of_right.toFixed(2)}, `
            + `cosine ${one.cosine === null ? "–" : one.cosine.toFixed(3)}`),
    };
    find("now").data = { level: [step.level], low: [-0.3], high: [1.05] };
    return drawPicture(path, step);
}

async function startPath() {
    fill($("path-image"), D.paths.map((path, place) => [place, `${path.image} (class ${called(path.target)})`]));
    fill($("path-by"), Object.keys(D.paths[0].steps).filter((name) => name !== "clean").map((name) => [name, name]));
    await embed("path");
    const turn = (by) => () => {
        $("path-image").value = (+$("path-image").value + by + D.paths.length) % D.paths.length;
        drawPath();
    };
    $("path-before").addEventListener("click", turn(-1));
    $("path-next").addEventListener("click", turn(1));
    for (const id of ["path-image", "path-by", "path-rollout"]) $(id).addEventListener("change", drawPath);
    $("path-level").addEventListener("input", drawPath);
    await drawPath();
}

// ---- Classes

let chosen = null, all = false;

function byClass() {
    const model = D.predictions[$("classes-model").value], at = +$("classes-level").value;
    const clean = model.clean.predictions[0], now = model[$("classes-by").value].predictions[at];
    const rows = D.labels.map((name, label) => ({ label, name, images: 0, clean: 0, right: 0, flips: [], wrong: new Map() }));
    D.images.target.forEach((target, image) => {
        if (now[image] < 0 || clean[image] < 0) return;
        const row = rows[D.images.label[image]];
        row.images += 1;
        row.clean += clean[image] === target;
        row.right += now[image] === target;
        if (now[image] === target) return;
        if (clean[image] === target) row.flips.push([image, now[image]]);
        row.wrong.set(now[image], (row.wrong.get(now[image]) ?? 0) + 1);
    });
    for (const row of rows) row.lost = row.images ? 100 * (row.clean - row.right) / row.images : -Infinity;
    return rows.sort((a, b) => b.lost - a.lost || a.label - b.label);
}

const confusions = (row) => [...row.wrong].sort((a, b) => b[1] - a[1] || a[0] - b[0]);

function drawClasses() {
    const model = D.predictions[$("classes-model").value], by = $("classes-by").value, { levels } = model[by];
    const at = Math.min(+$("classes-level").value, levels.length - 1), level = named(by, levels[at]);
    slide("classes-level", levels.length - 1, at, level);
    const rows = byClass();
    const shown = all ? rows : rows.filter((row, place) => place < ROWS || row.label === chosen);
    $("classes-table").tBodies[0].replaceChildren(...shown.map((row) => {
        const button = make("button", { type: "button", textContent: row.name });
        button.addEventListener("click", () => { chosen = row.label; drawClasses(); $("classes-table").querySelector("[aria-current] button").focus(); });
        const words = confusions(row).slice(0, 3).map(([prediction, count]) => `${called(prediction)} (${count})`).join(", ");
        const cells = [row.images, percent(row.clean, row.images), percent(row.right, row.images),
            row.images ? row.lost.toFixed(1) : "–", row.flips.length, words];
        const own = make("tr", {}, make("th", { scope: "row" }, button), ...cells.map((cell) => make("td", { textContent: cell })));
        if (row.label === chosen) own.setAttribute("aria-current", "true");
        return own;
    }));
    $("classes-all").hidden = all || rows.length <= ROWS;
    $("classes-all").textContent = `Show all ${rows.length} classes`;
    detail(rows.find((row) => row.label === chosen), `${by}, level ${level}`);
}

function detail(row, words) {
    if (!row) return $("classes-detail").replaceChildren();
    const seen = row.flips.slice().sort((a, b) => Boolean(D.images.picture[b[0]]) - Boolean(D.images.picture[a[0]]) || a[0] - b[0]);
    const strip = make("ul", { className: "strip" }, ...seen.slice(0, STRIP).map(([image, now]) => tile(image, `→ ${called(now)}`)));
    if (seen.length > STRIP) strip.append(make("li", { textContent: `and ${seen.length - STRIP} more` }));
    const list = confusions(row).map(([prediction, count]) => `${called(prediction)}: ${count}`).join(", ") || "nothing else";
    $("classes-detail").replaceChildren(
        make("h3", { textContent: `Class ${row.name}: ${row.flips.length} of ${row.images} images flip from right to wrong (${words})` }),
        strip, make("p", { textContent: `When wrong, its images are called ${list}.` }));
}

function startClasses() {
    const names = (model) => Object.keys(D.predictions[model]).filter((name) => name !== "clean");
    fill($("classes-model"), D.degraded.map((model) => [model, model]));
    const choose = () => {
        const before = $("classes-by").value, own = names($("classes-model").value);
        fill($("classes-by"), own.map((name) => [name, name]));
        if (own.includes(before)) $("classes-by").value = before;
        last();
    };
    const last = () => {
        const { levels } = D.predictions[$("classes-model").value][$("classes-by").value];
        slide("classes-level", levels.length - 1, levels.length - 1, "");
        drawClasses();
    };
    $("classes-chance").textContent = (100 / D.choices).toFixed(1);
    $("classes-model").addEventListener("change", choose);
    $("classes-by").addEventListener("change", last);
    $("classes-level").addEventListener("input", drawClasses);
    $("classes-all").addEventListener("click", () => { all = true; drawClasses(); });
    choose();
}

// ---- Heads

const mean = (grid) => grid.flat().reduce((sum, value) => sum + value, 0) / grid.flat().length;
const fixed = (value) => value === null ? "–" : value.toFixed(2);

function drawHeads() {
    const by = $("heads-by").value, own = D.heads[by], what = $("heads-what").value;
    const at = Math.min(+$("heads-level").value, own.levels.length), level = at ? named(by, own.levels[at - 1]) : "clean";
    const kept = at ? own.kept[at - 1] : own.clean, shuffled = at ? own.shuffled_kept[at - 1] : own.shuffled_clean;
    const cells = { layer: [], head: [], value: [], said: [] };
    kept.forEach((row, layer) => row.forEach((value, head) => {
        const before = own.clean[layer][head], control = shuffled[layer][head];
        cells.layer.push(layer + 1);
        cells.head.push(head + 1);
        cells.value.push(what === "share" ? (before ? 100 * value / before : NaN) : what === "kept" ? value : control ?? NaN);
        cells.said.push(`layer ${layer + 1}, head ${head + 1}: ${value.toFixed(2)} of ${before.toFixed(2)} features (${percent(value, before)} %); `
            + `labels shuffled ${fixed(control)} of ${fixed(own.shuffled_clean[layer][head])}`);
    }));
    find("cells").data = cells;
    const colours = find("colours");
    colours.low = 0;
    colours.high = what === "share" ? 100 : Math.max(...own.clean.flat(), 1e-6);
    slide("heads-level", own.levels.length, at, level);
    const share = percent(mean(kept), mean(own.clean)), control = percent(mean(shuffled), mean(own.shuffled_clean));
    $("heads-said").textContent = `${by}, ${level}: ${mean(kept).toFixed(2)} of ${mean(own.clean).toFixed(2)} features per head remain `
        + `(${share} %); with shuffled labels ${control} %.`;
}

async function startHeads() {
    fill($("heads-by"), Object.keys(D.heads).map((name) => [name, name]));
    await embed("heads");
    for (const id of ["heads-by", "heads-what"]) $(id).addEventListener("change", drawHeads);
    $("heads-level").addEventListener("input", drawHeads);
    const most = D.heads[$("heads-by").value].levels.length;
    slide("heads-level", most, most, "");
    drawHeads();
}

// ---- Tables

const NUMBER = /^[+-]?(\d+(\.\d+)?(e[+-]?\d+)?|∞)/i;

function key(words) {
    const found = NUMBER.exec(words.trim().replace("−", "-"));
    return found ? Number(found[0].replace("∞", "Infinity")) : null;
}

function sort(header) {
    const table = header.closest("table"), place = header.cellIndex, rows = [...table.tBodies[0].rows];
    const down = header.getAttribute("aria-sort") === "ascending", words = (row) => row.cells[place]?.textContent ?? "";
    const lacks = (row) => ["", "–"].includes(words(row).trim());
    const numbers = rows.filter((row) => !lacks(row)).every((row) => key(words(row)) !== null);
    const compare = (a, b) => numbers ? key(words(a)) - key(words(b)) : words(a).localeCompare(words(b), "en", { numeric: true });
    rows.sort((a, b) => lacks(a) - lacks(b) || (lacks(a) ? 0 : (down ? -1 : 1) * compare(a, b)));
    for (const other of header.parentNode.cells) other.removeAttribute("aria-sort");
    header.setAttribute("aria-sort", down ? "descending" : "ascending");
    table.tBodies[0].append(...rows);
}

document.addEventListener("click", ({ target }) => {
    const header = target.closest(".sortable th");
    if (header) sort(header);
});

async function start() {
    if (D.degraded.length) startClasses();
    if (D.plots.tsne) await startMap();
    if (D.plots.path) await startPath();
    if (D.plots.heads) await startHeads();
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => theme());
    document.body.dataset.alive = "all";
}

// ---- Paper: what is folded on screen is open, and plots are pictures of what the screen shows, dark on white

addEventListener("beforeprint", () => {
    document.querySelectorAll("details:not([open])").forEach((one) => { one.open = true; one.dataset.folded = ""; });
    theme(true);
    for (const [name, plot] of Object.entries(plots)) {
        const view = [...Bokeh.index].find((one) => one.model === plot), { canvas } = view.export("png");
        canvas.className = "on-paper";
        canvas.style.width = `${view.bbox.width}px`;
        $(`${name}-plot`).append(canvas);
    }
});

addEventListener("afterprint", () => {
    document.querySelectorAll("[data-folded]").forEach((one) => { one.open = false; delete one.dataset.folded; });
    document.querySelectorAll(".on-paper").forEach((one) => one.remove());
    theme();
});

addEventListener("load", () => setTimeout(start));
