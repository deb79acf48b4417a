# Two commands do everything on a fresh machine with Python 3.11 and make: `make demo` and `make test` (g++, too).

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
BUILD := $(CURDIR)/build
CORPORA ?= ../shared/data
ROUNDS ?= 3

# Models exported, extensions compiled and caches of tests stay inside the checkout.
export LATERAL_CACHE := $(BUILD)/cache/lateral
export XDG_CACHE_HOME := $(BUILD)/cache/xdg
export TORCH_EXTENSIONS_DIR := $(BUILD)/cache/torch-extensions
export HF_HUB_OFFLINE := 1

.PHONY: demo test check bench samples clean help

help:
	@echo "make demo    index the sample folder and ask it three questions"
	@echo "make test    run the whole test suite, two files at a time"
	@echo "make check   lint, types, layering"
	@echo "make bench   measure (CORPORA=folder of BEIR corpora, default $(CORPORA); ROUNDS=1 for a look)"
	@echo "make samples make the PDF files of the sample folder anew"
	@echo "make clean   remove what the others have built, .venv too"

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[all,dev]'
	@touch $@

demo: $(INSTALLED)
	@PATH="$(CURDIR)/$(BIN):$$PATH" sh notebooks/demo.sh

# Two files at a time: a third of the time a test waits for a process that it has started.
test: $(INSTALLED)
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile

check: $(INSTALLED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	rm -rf $(BUILD)/check $(BUILD)/lib
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --target $(BUILD)/check .
	cd $(BUILD)/check && MYPYPATH=. ../../$(BIN)/mypy --config-file ../../pyproject.toml --strict -p lateral

bench: $(INSTALLED)
	$(BIN)/python tests/benchmarks/run.py --corpora "$(CORPORA)" --out $(BUILD)/bench --rounds $(ROUNDS)

samples: $(INSTALLED)
	$(BIN)/python tests/samples/make_samples.py

clean:
	rm -rf $(BUILD) $(VENV) *.egg-info
