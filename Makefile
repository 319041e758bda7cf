# make demo      Figure 4a at the quick scale, from nothing
# make test      all tests
# make verify    what is outdated at the scale SCALE (quick), and why
# make bench     speed of training and augmentation on this CPU, results/bench.json; I-ResNeXt with one
#                thread too, as the quick scale trains
# make check     formatting, lint and types
# make killtest  50 kills of trainings at random moments; KILL_SEED=7 draws other moments
# make crashtest 20 kills of trainings, Snakemake and DVC while Figure 4a is made

PYTHON ?= python3
SCALE ?= quick
VENV := .venv
BIN := $(VENV)/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: demo test verify bench killtest crashtest check install lock

demo: install
	snakemake --cores all results/fig4a.pdf
	@echo
	@echo "figure  results/fig4a.pdf"
	@echo "table   results/quick/fig4a.csv"

test: install check
	pytest -n 2

verify: install
	anyslice dvc-yaml --check --scale $(SCALE)
	anyslice verify --scale $(SCALE)

bench: install
	anyslice bench --output results/bench.json
	anyslice bench i-resnext --threads 1 --output results/bench-one-thread.json

killtest: install
	KILLS=50 pytest -s tests/training/test_kill.py

crashtest: install
	KILLS=20 pytest -s tests/workflow/test_crash.py

check: install
	ruff format --check .
	ruff check .
	mypy
	snakefmt --check Snakefile workflow
	snakemake --lint

install: $(VENV)/installed

# The stamp is newer than the lock only after everything in it is installed.
$(VENV)/installed: requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --require-hashes --requirement requirements.lock
	$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

# After a change of dependencies in pyproject.toml; needs uv. uv.lock names addresses, so it goes.
lock:
	uv lock --quiet
	uv export --quiet --all-groups --no-emit-project --no-header --format requirements-txt > requirements.lock
	rm uv.lock
