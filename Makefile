# `make` alone prints what there is. Each target does its own set-up: all it needs is Python >= 3.11, make and git.
# VENV=path uses (or makes) the environment there instead of in .venv, so that several clones can share one;
# WORKERS=n runs as many files of tests side by side; CONFIG=file is the study of demo, sweep, sensitivity and verify.

PYTHON    ?= python3
VENV      ?= .venv
CORES     ?= all
SOAK      ?= 10
WORKERS   ?= 2
STAMP     := $(VENV)/requirements.txt
BIN        = $(abspath $(VENV))/bin
SNAKEMAKE  = PATH="$(BIN):$$PATH" $(BIN)/snakemake

.DEFAULT_GOAL := help
.PHONY: help quick demo sweep sensitivity test test-fast verify soak layouts-test slurm-test scale-test docs lint bench lock clean

help:  ## these lines
	@echo "make TARGET [VENV=folder of the environment] [CONFIG=study.yaml] [CORES=n] [WORKERS=n]"
	@sed -n 's/^\([a-z][a-z-]*\):[^#]*##  *\(.*\)/  \1|\2/p' $(firstword $(MAKEFILE_LIST)) | awk -F'|' '{printf "%-14s%s\n", $$1, $$2}'

# The study of CONFIG, or one target of it, then its report.
define study
	@test -f "$(CONFIG)" || { echo "CONFIG=$(CONFIG): there is no such file" >&2; exit 1; }
	$(SNAKEMAKE) $(1) --cores $(CORES) --configfile "$(CONFIG)"
	@report=results/$$($(BIN)/python -c 'import yaml; print(yaml.safe_load(open("$(CONFIG)"))["study"]["name"])')/$(2) && \
	    $(SNAKEMAKE) $(1) --cores 1 --report "$$report" --configfile "$(CONFIG)" && \
	    echo "Open $(if $(1),,$${report%/*}/study.html; how it was made: )$$report"
endef

quick: CONFIG ?= config/quick.yaml
quick: $(STAMP)  ## the smallest study that shows every figure, then its page and report: only to see what there is
	$(call study,,report.html)

demo: CONFIG ?= config/config.yaml
demo: $(STAMP)  ## the whole embedded study, or that of CONFIG, then its page and report
	$(call study,,report.html)

sweep: CONFIG ?= config/sweep.yaml
sweep: $(STAMP)  ## mask ratios and patch sizes, then a report of them
	$(call study,,report.html)

sensitivity: CONFIG ?= config/config.yaml
sensitivity: $(STAMP)  ## each conclusion under each convention, then a report of that
	$(call study,sensitivity table_similarity,sensitivity.html)

test: $(STAMP)  ## all tests that need no root: units, the workflow, faults
	PATH="$(BIN):$$PATH" $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

test-fast: $(STAMP)  ## the units alone
	PATH="$(BIN):$$PATH" $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal tests/unit

verify: $(STAMP)  ## whether results/ is whole and what CONFIG (config/config.yaml) now asks for
	PATH="$(BIN):$$PATH" $(BIN)/python tools/verify.py $(CONFIG)

soak: $(STAMP)  ## the fault suite with ten times as many kills, damaged bits and examples
	PATH="$(BIN):$$PATH" MAESCOPE_SOAK=$(SOAK) $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile tests/faults \
	    tests/unit/images/test_corruption_psnr.py

layouts-test: $(STAMP) .layouts/requirements.txt  ## weights of transformers and OpenCLIP as these save them; both lie in .layouts then
	PATH="$(BIN):$$PATH" PYTHONPATH="$(abspath .layouts)" MAESCOPE_LIBRARIES=1 $(BIN)/python -m pytest \
	    tests/unit/models/test_libraries.py

slurm-test: $(STAMP)  ## on a real Slurm of its own; needs root and Debian's packages
	PATH="$(BIN):$$PATH" $(BIN)/python -m pytest -rs -n 2 --dist loadfile tests/slurm

scale-test: $(STAMP)  ## ViT-B/16 for real: parity, and a run of config/imagenet.yaml to every figure and table
	PATH="$(BIN):$$PATH" $(BIN)/python -m pytest tests/scale

docs: $(STAMP)  ## the tables of config/README.md from the schema, and the documentation as a site: site/index.html
	$(BIN)/python tools/config_docs.py
	MAESCOPE_RUN_NOTEBOOK=1 PYTHONWARNINGS="ignore:IProgress not found" PYTHONPATH="$(CURDIR)/workflow/scripts" \
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build

lint: $(STAMP)  ## style, the rules, that imports run along the data, config/README.md against the schema, links of the docs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workflow
	PYTHONPATH=workflow/scripts $(BIN)/lint-imports
	$(SNAKEMAKE) --lint
	$(BIN)/python tools/config_docs.py --check
	site=$$(mktemp -d) && NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --site-dir "$$site"; status=$$?; rm -rf "$$site"; exit $$status

bench: $(STAMP)  ## speed and memory against their targets: docs/scale.md
	PATH="$(BIN):$$PATH" $(BIN)/python benchmarks/bench.py

lock:  ## resolve requirements.in into requirements.txt (needs uv)
	uv pip compile requirements.in -o requirements.txt --universal --python-version 3.11 --generate-hashes \
	    --no-annotate --no-header --no-emit-index-url --no-emit-find-links

clean:  ## remove what the workflow made; the environment stays
	rm -rf results .snakemake

# Without their dependencies, most of which the environment has: the others are in the list. Its copy is written last.
.layouts/requirements.txt: tests/unit/models/libraries.txt | $(STAMP)
	rm -rf .layouts
	if command -v uv >/dev/null && uv --version >/dev/null 2>&1; then \
	    uv pip install -q --python "$(BIN)/python" --no-deps --target .layouts -r $<; \
	else \
	    "$(BIN)/python" -m pip install -q --no-deps --target .layouts -r $<; \
	fi
	cp $< $@

# The stamp is a copy of the requirements, written last: an interrupted install is done again, an unchanged file is not.
$(STAMP): requirements.txt
	@cmp -s requirements.txt $@ || $(MAKE) --no-print-directory VENV="$(VENV)" environment
	@touch $@

.PHONY: environment
environment:  ## the environment alone, in .venv or VENV
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo "maescope needs Python >= 3.11, found $$($(PYTHON) --version); set PYTHON=/path/to/python3.11" >&2; exit 1; }
	@test ! -e "$(VENV)" || test -e "$(VENV)/pyvenv.cfg" || test -z "$$(ls -A "$(VENV)")" || \
	    { echo "VENV=$(VENV) is a folder with other things in it; name one that is an environment, or new" >&2; exit 1; }
	rm -rf "$(VENV)"
	if command -v uv >/dev/null && uv --version >/dev/null 2>&1; then \
	    uv venv -q --python "$(PYTHON)" "$(VENV)" && \
	    uv pip sync -q --compile-bytecode --python "$(VENV)/bin/python" --require-hashes requirements.txt; \
	else \
	    $(PYTHON) -m venv "$(VENV)" && \
	    "$(VENV)/bin/python" -m pip install -q --require-hashes -r requirements.txt; \
	fi
	cp requirements.txt "$(STAMP)"
