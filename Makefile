# Front door: every target calls CMake. DARKNET_ROOT=DIR builds for AlexeyAB's fork instead of the packaged Darknet.
PRESET       ?= release
DARKNET_ROOT ?=
PREFIX       ?= /usr/local
JOBS         ?= $(shell nproc)
CMAKE_FLAGS  ?=
BENCH        ?=
ZOO          ?=
GPU_CHECK    ?=
# The preset's folder, or one of its own for the fork, so that switching hosts does not rebuild everything.
BUILD        := build/$(PRESET)$(if $(DARKNET_ROOT),-fork)
# Ninja where it exists and the folder is not another generator's.
GENERATOR     = $(if $(wildcard $(BUILD)/Makefile),,$(if $(shell command -v ninja),-G Ninja))
CONFIGURE     = cmake --preset $(PRESET) -B $(BUILD) $(GENERATOR) -DDARKNET_ROOT=$(abspath $(DARKNET_ROOT)) $(TEST_FLAGS) $(CMAKE_FLAGS)
PYTHON       := /usr/bin/python3
# What program and demo need; what the tests need beyond that.
PACKAGES     := cmake ninja-build g++ darknet libdnnl-dev libopencv-core-dev libopencv-imgproc-dev libopencv-imgcodecs-dev \
                libjpeg-dev zlib1g-dev dataset-fashion-mnist python3 python3-matplotlib
TEST_PACKAGES := libgtest-dev python3-scipy liblinear-tools pkg-config
FUZZ_PACKAGES := clang libclang-rt-dev libomp-dev libgtest-dev
LINT_PACKAGES := clang-format clang-tidy shellcheck python3-venv
RUFF         := ruff==0.14.14
SUDO         := $(if $(filter 0,$(shell id -u)),,sudo)
SOURCES       = $(shell git ls-files '*.cpp' '*.h' '*.cu' '*.cuh')

.DEFAULT_GOAL := all

.PHONY: help all deps demo test-deps tests test test-deploy test-debian test-slurm bench zoo gpu-check odr fuzz faults kills arm64 coverage lint lint-fast lint-tools format packaging install package clean configure

help:  ## this list
	@sed -n 's/^\([a-z0-9-]*\):.*  ## \(.*\)/  make \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 20
	@echo 'DARKNET_ROOT=DIR builds for AlexeyAB'"'"'s fork in DIR; JOBS=N, CMAKE_FLAGS=... as usual.'

all: configure  ## the program, ./darknet (the default)
	cmake --build $(BUILD) -j $(JOBS) --target darknet
	@install -m 755 $(BUILD)/darknet darknet.new && mv darknet.new darknet

configure:
	@command -v cmake > /dev/null || { echo "cmake is missing; 'make deps' installs it and all other packages"; exit 1; }
	@mkdir -p build; $(CONFIGURE) > build/configure.log 2> build/configure.err || \
	  { grep -m 1 '^darknet-generations: ' build/configure.err || cat build/configure.log build/configure.err; exit 1; }

# Only what is missing is installed.
deps:  ## install the packages that program and demo need
	@missing=""; for package in $(PACKAGES); do \
	  dpkg-query -W -f '$${Status}' $$package 2>/dev/null | grep -q 'ok installed' || missing="$$missing $$package"; done; \
	if [ -n "$$missing" ]; then echo "installing$$missing"; \
	  $(SUDO) apt-get update -q && $(SUDO) apt-get install -y -q --no-install-recommends $$missing; \
	else echo "all packages are there"; fi

demo: deps all  ## packages, program, and the experiment of the README
	$(PYTHON) scripts/generations.py run cfg/generations/fashion-demo.ini

tests: TEST_FLAGS := -DDNG_TESTS=ON
tests: all  ## program and tests
	cmake --build $(BUILD) -j $(JOBS)

test-deps: deps
	@$(MAKE) --no-print-directory deps PACKAGES="$(TEST_PACKAGES)"

test: test-deps tests  ## all tests, with their packages
	ctest --test-dir $(BUILD) --output-on-failure --no-tests=error -j $(JOBS)

# Optional packages from PyPI; the tests of what needs them are skipped without.
DEPLOY_PACKAGES := onnx onnxruntime tensorboard axe-selenium-python
DEPLOY_TESTS := export_onnx serve tensorboard
test-deploy: all  ## ONNX models, TensorBoard files and the page in a browser, with their packages
	@$(MAKE) --no-print-directory deps PACKAGES="chromium chromium-driver python3-venv"
	test -x build/deploy/bin/python || $(PYTHON) -m venv build/deploy
	build/deploy/bin/pip install -q $(DEPLOY_PACKAGES)
	@for name in $(DEPLOY_TESTS); do DNG_DARKNET=$(CURDIR)/$(BUILD)/darknet \
	  DNG_HOST=$(if $(DARKNET_ROOT),alexeyab,packaged) build/deploy/bin/python tests/scripts/$${name}_test.py || exit 1; done

RELEASE ?= trixie
test-debian:  ## the README's two commands in a fresh Debian (RELEASE=trixie), as root
	@$(MAKE) --no-print-directory deps PACKAGES=mmdebstrap
	$(SUDO) scripts/test_debian.sh $(RELEASE)

test-slurm: all  ## a sweep on a Slurm of one node, set up in a temporary folder (minutes; as root)
	@$(MAKE) --no-print-directory deps PACKAGES="slurm-wlm munge"
	DNG_DARKNET=$(BUILD)/darknet $(PYTHON) tests/scripts/slurm_check.py -v

bench: all  ## speed, compared with oneDNN and PyTorch (BENCH='OPTIONS' of scripts/bench.py)
	cmake --build $(BUILD) -j $(JOBS) --target onednn_baseline image_pipeline
	$(PYTHON) scripts/bench.py --darknet ./darknet --baseline $(BUILD)/onednn_baseline $(BENCH)

zoo: all  ## every classifier cfg of Darknet's own folder (ZOO='OPTIONS' of scripts/zoo.py)
	@$(MAKE) --no-print-directory deps PACKAGES=python3-pil
	$(PYTHON) scripts/zoo.py --darknet $(BUILD)/darknet $(ZOO) $(or $(abspath $(DARKNET_ROOT)),/usr/share/darknet)

# Everything that needs a GPU, into GPU_CHECK_OUT (build/gpu-check); GPU_CHECK='tests bench' or other parts of it.
gpu-check:  ## everything that needs a GPU
	@DARKNET_ROOT=$(abspath $(DARKNET_ROOT)) JOBS=$(JOBS) CMAKE_FLAGS="$(CMAKE_FLAGS)" scripts/gpu_check.sh $(GPU_CHECK)

# Line coverage of src/ and layers/, by all tests, into build/coverage/html.
# Failed tests do not stop it: those of a full disk and of long runs fail with gcov's files and its slower code.
coverage:  ## lines that the tests reach
	@$(MAKE) --no-print-directory deps PACKAGES=gcovr
	$(MAKE) tests PRESET=coverage
	find build/coverage -name '*.gcda' -delete
	-ctest --test-dir build/coverage --output-on-failure -j $(JOBS)
	mkdir -p build/coverage/html
	gcovr --root . --filter src/ --filter layers/ --html-details build/coverage/html/index.html --txt build/coverage/lines.txt \
	  build/coverage
	@cat build/coverage/lines.txt

# One definition of every type: the link looks at all files at once.
odr:  ## link-time check: one definition of every type
	@mkdir -p build; cmake --preset release -B build/odr $(GENERATOR) -DDNG_PRECOMPILE=OFF -DCMAKE_BUILD_TYPE=None \
	  -DGENERATIONS_CUDA=OFF -DCMAKE_CXX_FLAGS="-O1 -flto=auto -Wodr -Werror=odr" > build/odr-configure.log
	cmake --build build/odr -j $(JOBS) --target darknet

# FUZZ='--formats jpeg,png' or other options of the script.
SECONDS ?= 20
FUZZ    ?=
fuzz:  ## every format that is read, for SECONDS=20 each, with libFuzzer
	@$(MAKE) --no-print-directory deps PACKAGES="$(FUZZ_PACKAGES)"
	@$(MAKE) --no-print-directory configure PRESET=fuzz
	cmake --build build/fuzz -j $(JOBS) --target fuzz_inputs
	$(PYTHON) tests/fuzz/fuzz.py build/fuzz/tests/fuzz_inputs --seconds $(SECONDS) $(FUZZ)

# The tests have short versions of these. FAULTS=N: so many calls of each kind, 0: all.
N             ?= 1000
FAULTS        ?= 0
MEMORY_FAULTS ?= 1000
faults: all  ## every system call failed once (hours; FAULTS=20: minutes)
	FAULTS=$(FAULTS) MEMORY_FAULTS=$(MEMORY_FAULTS) DNG_DARKNET=$(BUILD)/darknet $(PYTHON) tests/faults/faults_test.py -v

kills: all  ## trainings and chains killed at random moments (N=1000)
	KILLS=$(N) DNG_DARKNET=$(BUILD)/darknet $(PYTHON) tests/faults/kills_test.py -v

# Cross-compiles for 64-bit ARM and tests under QEMU, where the cross compiler is.
arm64:  ## cross-compile for 64-bit ARM and test under QEMU
	@JOBS=$(JOBS) scripts/arm64.sh

# All linters. clang-tidy takes minutes: lint-fast is what .ci/run calls. It looks at what the build compiles: without
# nvcc not the host's code for CUDA, and one of the two hosts.
lint: lint-fast  ## all linters
	@$(CONFIGURE) -DDNG_TESTS=ON > /dev/null
	sed -n 's/^  "file": "\(.*\)",\{0,1\}$$/\1/p' $(BUILD)/compile_commands.json | grep -v '\.cu$$' | sort -u | xargs -P $(JOBS) -n 4 clang-tidy -p $(BUILD) --quiet

lint-fast: lint-tools  ## all linters but clang-tidy
	clang-format --dry-run --Werror $(SOURCES)
	shellcheck .ci/run $(shell git ls-files '*.sh')
	build/ruff/bin/ruff check
	scripts/check_includes.py

lint-tools:
	@$(MAKE) --no-print-directory deps PACKAGES="$(LINT_PACKAGES)"
	@test "$$(build/ruff/bin/ruff --version 2> /dev/null)" = "$(subst ==, ,$(RUFF))" || \
	  { $(PYTHON) -m venv build/ruff && build/ruff/bin/pip install -q $(RUFF); }

format: lint-tools  ## run clang-format over all sources
	clang-format -i $(SOURCES)

# What is installed beside the program: man page, completion, scripts.
packaging: all
	cmake --build $(BUILD) -j $(JOBS) --target packaging darknet_generations

install: packaging  ## install into PREFIX (/usr/local)
	cmake --install $(BUILD) --prefix $(PREFIX)

# In BUILD; see docs/install.md.
package: packaging  ## Debian packages
	@$(MAKE) --no-print-directory deps PACKAGES="dpkg-dev file"
	cd $(BUILD) && cpack -G DEB

clean:  ## remove what was built
	rm -rf build darknet
