# Two commands for a newcomer: make train, make test.
PYTHON ?= python3
BIN := .venv/bin
PINS := --constraint .ci/constraints.txt
SIDE_BY_SIDE := -n auto --dist loadfile

.PHONY: train test check torture browser clean

train: .venv/train
	$(BIN)/python scripts/train.py $(or $(ARGS),policy=anchor)

test: .venv/test
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) $(ARGS)

torture: .venv/test
	TORTURE=long $(BIN)/python -m pytest -s -m torture $(ARGS)

browser: .venv/browser
	$(BIN)/python -m pytest -m browser tests/browser $(ARGS)

check: .venv/test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/ty check --error-on-warning
	$(BIN)/python -m pytest $(SIDE_BY_SIDE)

.venv/train: pyproject.toml .ci/constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet $(PINS) --editable .
	touch $@

.venv/test: pyproject.toml .ci/constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet $(PINS) --editable '.[test]'
	touch $@ .venv/train

.venv/browser: .venv/test
	$(BIN)/python -m pip install --quiet $(PINS) --editable '.[test,browser]'
	command -v chromium || $(BIN)/python -m playwright install chromium
	touch $@

clean:
	rm -rf .venv
