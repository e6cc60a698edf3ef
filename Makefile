# Two commands for a newcomer: make train, make test.
PYTHON ?= python3
BIN := .venv/bin
INSTALL = test -x $(BIN)/python || $(PYTHON) -m venv .venv; \
	$(BIN)/python -m pip install --quiet --constraint .ci/constraints.txt --editable
SIDE_BY_SIDE := -n auto --dist loadfile

.PHONY: train test check torture engines browser guide apart docs notebook clean

train: .venv/train
	$(BIN)/python scripts/train.py $(or $(ARGS),policy=anchor)

test: .venv/test
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) $(ARGS)

torture: .venv/test
	TORTURE=long $(BIN)/python -m pytest -s -m torture $(ARGS)

check: .venv/test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/ty check --error-on-warning
	$(BIN)/python -m pytest $(SIDE_BY_SIDE)

# Kept apart from the quick tests: engines of sweeps, pages in Debian's chromium, the guide's
# commands, the notebook, for which all extras are needed; kills and faults, in their short version.
engines browser guide: .venv/all
	$(BIN)/python -m pytest -m $@ $(ARGS)

apart: .venv/all
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) -m 'torture or engines or browser or guide or notebook or numbers' $(ARGS)

docs: .venv/all
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --config-file docs/site/mkdocs.yml
	@echo "open outputs/site/index.html; search works where it is served: python -m http.server -d outputs/site"

notebook: .venv/all
	$(BIN)/python scripts/notebook.py docs/notebooks/*.ipynb

.venv/train: pyproject.toml .ci/constraints.txt
	$(INSTALL) .
	touch $@

.venv/test: pyproject.toml .ci/constraints.txt
	$(INSTALL) '.[test]'
	touch $@ .venv/train

.venv/all: pyproject.toml .ci/constraints.txt
	$(INSTALL) '.[all]'
	touch $@ .venv/test .venv/train

clean:
	rm -rf .venv
