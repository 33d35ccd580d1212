#!/usr/bin/env bash
# Two results of a report that have two labels each, all of them different: their page goes blank as soon as it is opened.
#
# One would guess that labels are columns of a list, as the documentation of `report(labels=...)` shows them. But a label
# that is not the first and has exactly two values, each in half of the results, becomes a switch above the list; the list
# then looks up a result for each first label at the switch's position, and where there is none, the viewer throws and the
# whole page is white. With one label, or three results, nothing happens.
#
# Version: Snakemake 9.27.1 (Python 3.11), Chromium 150. Source: AbstractResults.getData and renderEntries in
# snakemake/report/html_reporter/template/components/abstract_results.js.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install -q snakemake==9.27.1 pygments
cd "$folder"
cat > Snakefile <<'RULES'
rule all:
    input: "a.png", "b.png", "c.png"


rule one:
    output: report("a.png", category="two", labels={"figure": "A", "what": "first"})
    shell: "printf x > {output}"


rule other:
    output: report("b.png", category="two", labels={"figure": "B", "what": "second"})
    shell: "printf x > {output}"


rule third:
    output: report("c.png", category="one", labels={"figure": "C", "what": "third"})
    shell: "printf x > {output}"
RULES
"$folder/venv/bin/snakemake" --version
"$folder/venv/bin/snakemake" --cores 1 --quiet all
"$folder/venv/bin/snakemake" --report report.html 2> /dev/null
for category in one two; do
    "$folder/venv/bin/python" - "$category" <<'PAGE'
import sys

before, end, after = open("report.html").read().rpartition("</body>")
click = f"<script>setTimeout(() => app.showCategory('{sys.argv[1]}'), 500)</script>"
open(f"{sys.argv[1]}.html", "w").write(before + click + end + after)
PAGE
    chromium --headless --no-sandbox --disable-gpu --virtual-time-budget=10000 --user-data-dir="$folder/profile" \
        --dump-dom "file://$folder/$category.html" 2> /dev/null > "$category.dom"
    echo "category $category: $(grep -o '<div id="app">.\{0,20\}' "$category.dom" | head -n 1)"
done
grep -q 'id="app"><div class' one.dom
if ! grep -q 'id="app"></div>' two.dom; then
    echo "changed: the page is there" >&2
    exit 1
fi
