PYTHON ?= python3.11
VENV := .venv
DATA ?= data
export PATH := $(abspath $(VENV))/bin:$(PATH)

.PHONY: run test lint bench

run: $(VENV)/run.stamp  ## groups from the embedded Demo data, through `mlflow run`
	mlflow run . --env-manager local

test: $(VENV)/test.stamp  ## threads that wait for each other sleep: several processes share the cores
	OMP_WAIT_POLICY=PASSIVE python -m pytest -n $$(($$(getconf _NPROCESSORS_ONLN) + 1)) --maxprocesses 4 --dist loadfile --no-loadscope-reorder

lint: $(VENV)/test.stamp
	ruff check .
	ruff format --check .
	mypy

bench: $(VENV)/test.stamp  ## one table of speed and quality; real listeners are those of $(DATA)/LastFM1k
	-python -m pip install --quiet --no-deps elsarec==0.1.4
	PYTHONPATH=src python -m benchmarks --data-dir $(DATA) $(if $(QUICK),--quick)

$(VENV)/run.stamp: requirements.txt
	$(PYTHON) -m venv $(VENV)
	python -m pip install --quiet -r requirements.txt
	touch $@

$(VENV)/test.stamp: requirements-dev.txt $(VENV)/run.stamp
	python -m pip install --quiet -r requirements-dev.txt
	touch $@
