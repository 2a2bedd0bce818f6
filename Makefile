# make train    set up .venv with locked versions, then run the main job
# make test     set up, then ruff, mypy, import-linter, pytest
# make sample   set up, then what kills whole commands, fills disks and flips bits: .ci/run runs both
# make reliability   the same and all of it: every fault, kill, damage and power cut at every operation (root, some hours)
# make reliability-peers   the same faults for what others keep states with, and for ours: the tables of docs/reliability.md
# make soak   a thousand random kills of the whole pipeline under random settings, an hour or two; ARGS="--kills 100"
# make fuzz   any bytes for what reads files of ours, by atheris where the extra `fuzz` is installed; ARGS="--help"
# make test-backends   Keras on JAX and on PyTorch, each in an environment of its own, .venv-jax and .venv-torch
# make bench    the benchmarks of docs/performance.md
# make bench-loading    batches against other loaders, 2 GB of samples, about an hour; ARGS="--help" tells what can be chosen
# make bench-calibration   thresholds and subsets beside a sort, scikit-learn and the original; how honest scores are
# make bench-training   an iteration beside Keras' own loops, and large checkpoints beside plain writes
# make lock     resolve requirements.lock again (needs uv)

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
# what is ours, not what a user put beside it
OURS := deeptrain tasks pipelines tests
BACKENDS := jax torch

.PHONY: train test sample reliability reliability-peers soak fuzz test-backends check bench bench-calibration bench-loading bench-training lock clean

train: $(READY)
	@$(BIN)/luigi --module pipelines TrainModel $(ARGS)

test: check
	$(BIN)/python -m pytest -n 2 --dist worksteal --ignore=tests/reliability $(ARGS)

sample: $(READY)
	$(BIN)/python -m pytest tests/reliability -n 2 --dist worksteal $(ARGS)

reliability: $(READY)
	$(BIN)/python -m pytest tests/reliability -n 2 --dist worksteal --thorough $(ARGS)

reliability-peers: $(READY)
	@$(BIN)/python -m tests.reliability.side_by_side $(ARGS)
	@$(BIN)/python -m tests.reliability.resuming

soak: $(READY)
	@$(BIN)/python -m tests.reliability.soak $(ARGS)

fuzz: $(READY)
	@$(BIN)/python -m tests.reliability.fuzz_readers $(ARGS)

test-backends: $(BACKENDS:%=test-backend-%)

test-backend-%:
	$(PYTHON) -m venv .venv-$*
	.venv-$*/bin/python -m pip install --quiet --disable-pip-version-check -e '.[dev,$*]'
	.venv-$*/bin/python -m pytest tests/training/test_backend_learner.py tests/pipelines/test_backends.py -k $* $(ARGS)

check: $(READY)
	$(BIN)/ruff check $(OURS)
	$(BIN)/ruff format --check $(OURS)
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

bench: $(READY)
	$(BIN)/python -m pytest tests/benchmarks -o python_files='bench_*.py' -p no:xdist -q -s $(ARGS)

bench-loading: $(READY)
	@$(BIN)/python -m tests.benchmarks.loading $(ARGS)

bench-calibration: $(READY)
	$(BIN)/python -m pytest tests/benchmarks/bench_calibration.py tests/benchmarks/bench_subset.py tests/benchmarks/bench_optimism.py -o python_files='bench_*.py' -p no:xdist -q -s $(ARGS)

bench-training: $(READY)
	$(BIN)/python -m pytest tests/benchmarks/bench_training.py tests/benchmarks/bench_checkpoint.py -p no:xdist -q -s $(ARGS)
	DETERMINISTIC=1 $(BIN)/python -m pytest tests/benchmarks/bench_training.py -k in_a_row -p no:xdist -q -s $(ARGS)

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(v < (3, 11) and f"deeptrain needs Python 3.11 or newer, {sys.executable} is {v.major}.{v.minor}: name another one as make PYTHON=python3.12")'
	@echo "setting up .venv (once, some minutes) ..."
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $(READY)

lock:
	uv pip compile --universal --python-version 3.11 --no-emit-index-url --no-header --no-annotate --generate-hashes --extra dev pyproject.toml -o requirements.lock

clean:
	rm -rf .venv .venv-bench $(BACKENDS:%=.venv-%) build *.egg-info .mypy_cache .ruff_cache .pytest_cache
