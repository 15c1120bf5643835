# Front door: every target calls CMake. DARKNET_ROOT=DIR builds for AlexeyAB's fork instead of the packaged Darknet.
PRESET       ?= release
DARKNET_ROOT ?=
PREFIX       ?= /usr/local
JOBS         ?= $(shell nproc)
CMAKE_FLAGS  ?=
BENCH        ?=
GPU_CHECK    ?=
# The preset's folder, or one of its own for the fork, so that switching hosts does not rebuild everything.
BUILD        := build/$(PRESET)$(if $(DARKNET_ROOT),-fork)
CONFIGURE    := cmake --preset $(PRESET) -B $(BUILD) -DDARKNET_ROOT=$(abspath $(DARKNET_ROOT)) $(CMAKE_FLAGS)
PYTHON       := /usr/bin/python3
PACKAGES     := cmake g++ pkg-config darknet libdnnl-dev libopencv-core-dev libopencv-imgproc-dev \
                libopencv-imgcodecs-dev libjpeg-dev libgtest-dev dataset-fashion-mnist zlib1g-dev python3 python3-matplotlib \
                python3-scipy liblinear-tools
LINT_PACKAGES := clang-format clang-tidy
SUDO         := $(if $(filter 0,$(shell id -u)),,sudo)
SOURCES       = $(shell git ls-files 'src/*.cpp' 'src/*.h' 'layers/*.cpp' 'layers/*.h' 'tests/*.cpp' 'tests/*.h' 'bench/*.cpp' 'bench/*.h')

.PHONY: all deps demo test bench gpu-check lint format install clean configure

all: configure
	cmake --build $(BUILD) -j $(JOBS)
	@install -m 755 $(BUILD)/darknet darknet.new && mv darknet.new darknet

configure:
	@mkdir -p build; $(CONFIGURE) > build/configure.log 2> build/configure.err || \
	  { grep -m 1 '^darknet-generations: ' build/configure.err || cat build/configure.log build/configure.err; exit 1; }

# Only what is missing is installed.
deps:
	@missing=""; for package in $(PACKAGES); do \
	  dpkg-query -W -f '$${Status}' $$package 2>/dev/null | grep -q 'ok installed' || missing="$$missing $$package"; done; \
	if [ -n "$$missing" ]; then echo "installing$$missing"; \
	  $(SUDO) apt-get update -q && $(SUDO) apt-get install -y -q --no-install-recommends $$missing; \
	else echo "all packages are there"; fi

demo: deps all
	$(PYTHON) scripts/generations.py run cfg/generations/fashion-demo.ini

test: all
	ctest --test-dir $(BUILD) --output-on-failure -j $(JOBS)

# BENCH='--quick' or other options of scripts/bench.py.
bench: all
	cmake --build $(BUILD) -j $(JOBS) --target onednn_chain image_pipeline
	$(PYTHON) scripts/bench.py --darknet ./darknet --chain $(BUILD)/onednn_chain $(BENCH)

# Everything that needs a GPU, into GPU_CHECK_OUT (build/gpu-check); GPU_CHECK='tests bench' or other parts of it.
gpu-check:
	@DARKNET_ROOT=$(abspath $(DARKNET_ROOT)) JOBS=$(JOBS) CMAKE_FLAGS="$(CMAKE_FLAGS)" scripts/gpu_check.sh $(GPU_CHECK)

lint:
	@clang-format --version > /dev/null 2>&1 && clang-tidy --version > /dev/null 2>&1 || \
	  { $(SUDO) apt-get update -q && $(SUDO) apt-get install -y -q --no-install-recommends $(LINT_PACKAGES); }
	clang-format --dry-run --Werror $(SOURCES)
	@$(CONFIGURE) > /dev/null
	clang-tidy -p $(BUILD) --quiet $(filter %.cpp,$(filter-out src/host/$(if $(DARKNET_ROOT),packaged,alexeyab).cpp,$(SOURCES)))

format:
	clang-format -i $(SOURCES)

install: all
	cmake --install $(BUILD) --prefix $(PREFIX)

clean:
	rm -rf build darknet
