# make demo      Figure 4a at the quick scale, from nothing
# make study     the study, figures and report: make study DATA=<folder with cifar10/ and cifar100/>
# make demo-page the page of docs/demo: networks that answer within a budget, in a browser; needs npm
# make figures   every figure, the claims and the report of a published study, from published/study
# make quicktest what takes about a minute, without lint: for every save
# make test      formatting, lint, types and all tests but those of whole studies
# make systemtest whole studies by Snakemake and DVC in copies of this repository; then, as root,
#                by SLURM, whose Debian packages it installs on this machine
# make verify    which trainings are outdated at the scale SCALE (quick), and why
# make gputest   training on this machine's GPU; without one, the same tests on the CPU
# make bench     tests of speed; speed of training on this CPU, results/bench.json;
#                I-ResNeXt with one thread too, as the quick scale trains
# make check     formatting, lint and types
# make killtest  50 kills of trainings at random moments; KILL_SEED=7 draws other moments
# make crashtest 20 kills of trainings, Snakemake and DVC while Figure 4a is made

PYTHON ?= python3
SCALE ?= quick
VENV := .venv
BIN := $(VENV)/bin
# The scripts of an environment name its folder, so one that was copied or moved with its checkout
# would run, and install into, the one it was: its stamp is another, and it is made anew.
INSTALLED := $(VENV)/installed-$(shell pwd | cksum | cut -d ' ' -f 1)
export PATH := $(CURDIR)/$(BIN):$(PATH)
# Caches of the tools that tests start stay in the checkout; pip's is left where it is.
quicktest test systemtest gputest bench killtest crashtest: export XDG_CACHE_HOME = $(CURDIR)/.cache

.PHONY: demo demo-page study figures quicktest test systemtest gputest verify bench killtest crashtest check install lock

demo: install
	snakemake --cores all results/fig4a.pdf
	@echo
	@echo "figure  results/fig4a.pdf"
	@echo "table   results/quick/fig4a.csv"

demo-page: install
	python scripts/demo_page.py work/demo
	@echo "see it: python3 -m http.server --directory work/demo"

# Each folder has the tar file, or class folders; without DATA they are downloaded.
study: SOURCES = sources={cifar10: "$(DATA)/cifar10", cifar100: "$(DATA)/cifar100"}
study: install
	snakemake --cores all --config scale=study $(if $(DATA),'$(SOURCES)')

figures: install
	anyslice published draw --scale study

quicktest: install
	pytest -q -n 2 -m "not slow and not system and not perf"

test: install check
	pytest -n 2 -m "not system and not perf"

systemtest: install
	pytest -n 2 -m system
	SYSTEMTEST=1 pytest tests/workflow/test_slurm.py

gputest: install
	pytest tests/gpu

verify: install
	anyslice verify --scale $(SCALE)

bench: install
	pytest -m perf
	python benchmarks/cpu.py
	python benchmarks/cpu.py i-resnext --threads 1 --output results/bench-one-thread.json

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

install: $(INSTALLED)

# The stamp is newer than the lock only after everything in it is installed.
$(INSTALLED): requirements.lock pyproject.toml
	test -e $@ || rm -rf $(VENV)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	# Relative, for Python 3.11 cannot read other than ASCII letters there under LC_ALL=C.
	for pth in $(VENV)/lib/python3*/site-packages/__editable__.anyslice-*.pth; do \
	    echo ../../../../src >$$pth; done
	touch $@

# After a change of dependencies in pyproject.toml; needs uv. uv.lock names addresses, so it goes.
lock:
	uv lock --quiet
	uv export --quiet --all-groups --all-extras --no-emit-project --no-header --format requirements-txt > requirements.lock
	rm uv.lock
