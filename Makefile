PYTHON ?= python3.11
VENV := .venv
DATA ?= data
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)

.PHONY: run test lint bench

run: $(VENV)/run.stamp  ## groups from the embedded Demo data, through `mlflow run`
	mlflow run . --env-manager local

test: $(VENV)/test.stamp
	python -m pytest

lint: $(VENV)/test.stamp
	ruff check .
	ruff format --check .
	mypy

bench: $(VENV)/test.stamp  ## tables of speed; and ELSA beside elsarec on $(DATA)/LastFM1k, unless QUICK=1
	PYTHONPATH=src python -m benchmarks --data-dir $(DATA) $(if $(QUICK),--quick)
ifndef QUICK
	python -m pip install --quiet --no-deps elsarec==0.1.4
	PYTHONPATH=src python benchmarks/elsarec.py $(DATA)
endif

$(VENV)/run.stamp: requirements.txt
	$(PYTHON) -m venv $(VENV)
	python -m pip install --quiet -r requirements.txt
	touch $@

$(VENV)/test.stamp: requirements-dev.txt $(VENV)/run.stamp
	python -m pip install --quiet -r requirements-dev.txt
	touch $@
