"""What MkDocs is told of this project, as its hook: pages lie in several folders, and links lead to files of all kinds.

Pages keep their paths from the root of the repository, so that a link that is right on GitHub is right on the site.
The files that they link to are copied beside them. A notebook is a page as well, with its results where
`extra.run_notebook` asks for them.
"""

import re
import tempfile
from pathlib import Path

import nbformat
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = (".", "docs", "config")  # of pages
LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)#\s]+)")
ANSI = re.compile(r"\x1b\[[0-9;]*m")
LONGEST = 30  # lines of an output that are shown

# Search runs in a worker, and browsers start none of a page that is read from a disk: a hidden frame does the same.
WORKER = """if (location.protocol === "file:")
  window.Worker = class extends EventTarget {
    constructor(url) {
      super()
      const frame = document.body.appendChild(Object.assign(document.createElement("iframe"), { hidden: true }))
      this.waiting = []
      frame.contentWindow.postMessage = data => this.dispatchEvent(new MessageEvent("message", { data }))
      frame.contentWindow.importScripts = (...urls) => Promise.all(urls.map(src => this.load(frame, src)))
      this.load(frame, url).then(() => {
        this.window = frame.contentWindow
        this.waiting.splice(0).forEach(data => this.postMessage(data))
      })
    }
    load(frame, src) {
      const script = Object.assign(frame.contentDocument.createElement("script"), { src })
      return new Promise(onload => frame.contentDocument.head.appendChild(Object.assign(script, { onload })))
    }
    postMessage(data) {
      if (this.window) this.window.dispatchEvent(new this.window.MessageEvent("message", { data }))
      else this.waiting.push(data)
    }
  }
"""


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Headings are named as GitHub names them."""
    config.mdx_configs["toc"]["slugify"] = lambda heading, _: re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """The theme's files, all pages, notebooks as pages, and what pages link to."""
    own = {file.src_uri: file for file in files if file.src_dir != config.docs_dir}
    for path in pages():
        own[path] = file_of(path, config)
    for path in sorted(linked(own)):
        own[path] = file_of(path, config)
        if path.endswith(".ipynb"):
            page = notebook_page((ROOT / path).read_text(), config.extra["run_notebook"])
            own[as_page(path)] = File.generated(config, as_page(path), content=page)
    own["iframe-worker.js"] = File.generated(config, "iframe-worker.js", content=WORKER)
    return Files(list(own.values()))


def on_page_markdown(markdown: str, page, **_) -> str:
    """Links to a notebook lead to its page."""
    return re.sub(r"(\]\([^)\s]+)\.ipynb\)", r"\1.ipynb.md)", markdown)


def pages() -> list[str]:
    """Paths of all pages, from the root."""
    found = [path for folder in FOLDERS for path in (ROOT / folder).glob("*.md")]
    return sorted(path.relative_to(ROOT).as_posix() for path in found)


def linked(own: dict[str, File]) -> set[str]:
    """Paths of the other files that pages link to."""
    found = set()
    for path in pages():
        for target in LINK.findall((ROOT / path).read_text()):
            file = (ROOT / path).parent.joinpath(target).resolve()
            if file.is_file() and file.is_relative_to(ROOT):
                found.add(file.relative_to(ROOT).as_posix())
    return found - own.keys()


def file_of(path: str, config: MkDocsConfig) -> File:
    """A file of the repository at its own place of the site."""
    return File(path, str(ROOT), config.site_dir, use_directory_urls=False)


def as_page(path: str) -> str:
    """The page of a notebook."""
    return f"{path}.md"


def notebook_page(text: str, run: bool) -> str:
    """A notebook as Markdown; its results where it is run."""
    notebook = nbformat.reads(text, as_version=4)
    if run:
        from nbclient import NotebookClient  # which only a site with results waits for

        with tempfile.TemporaryDirectory() as folder:
            NotebookClient(notebook, kernel_name="python3", resources={"metadata": {"path": folder}}).execute()
    parts = []
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            parts.append(cell.source)
        else:
            parts += [f"```python\n{cell.source}\n```", *filter(None, map(shown, cell.get("outputs", ())))]
    return "\n\n".join(parts) + "\n"


def shown(output: dict) -> str:
    """What a cell put out, as Markdown: a picture, or text."""
    data = output.get("data", {})
    if "image/png" in data:
        return f"![What this cell draws](data:image/png;base64,{data['image/png'].strip()})"
    lines = ANSI.sub("", data.get("text/plain", output.get("text", ""))).splitlines()
    return "\n".join(["```text", *lines[:LONGEST], "```"]) if lines else ""
