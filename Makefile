# shina: `make run` and `make test` are all one needs; `make help` tells the rest.
BUILD ?= build
JOBS  ?= $(shell nproc)
NINJA  = ninja -j$(JOBS)
# Tests wait a good part of their time: one more at once than there are processors.
TESTS  = ctest -j$(shell expr $(JOBS) + 1) --output-on-failure

.NOTPARALLEL:
.PHONY: all help build run test check chaos crash sim fuzz bench results demo format new-module clean
all: build

help:
	@echo 'make run          install what is missing, build, start shina on the embedded default'
	@echo 'make test         install what is missing, build, run every test'
	@echo 'make check        gcc and clang, sanitizers, format, lint, tidiness'
	@echo 'make chaos        faults of every kind under load, then proof; SEED=n SCENES="kills clock"'
	@echo 'make sim          a thousand histories with faults; SEEDS=n SEED=n; BITE=1: planted bugs, too'
	@echo 'make fuzz         each parser that faces outside, for FUZZ_SECONDS=30; FUZZ_ONLY=http,nng'
	@echo 'make demo         a day of deliveries through the HTTP API'
	@echo 'make bench        rates and latencies beside those of peers; BENCH=--help for parts and longer runs'
	@echo 'make results      tests/RESULTS.md out of what bench and others have measured'
	@echo 'make format       clang-format over all sources'
	@echo 'make new-module NAME=x   a new domain from the template'
	@echo 'make clean        remove the builds'

$(BUILD)/build.ninja: | packages-run
	cmake -G Ninja -S . -B $(BUILD)

.PHONY: packages-run packages-test packages-check packages-bench
packages-run:
	@sh cmake/install-packages.sh run
packages-test:
	@sh cmake/install-packages.sh run test
packages-check:
	@sh cmake/install-packages.sh run test check
packages-bench:
	@sh cmake/install-packages.sh run test bench

build: packages-run $(BUILD)/build.ninja
	$(NINJA) -C $(BUILD)

run: packages-run $(BUILD)/build.ninja
	$(NINJA) -C $(BUILD) shina documents
	@exec $(BUILD)/compose/shina/shina run

test: packages-test $(BUILD)/build.ninja
	$(NINJA) -C $(BUILD)
	cd $(BUILD) && $(TESTS)

check: packages-check
	JOBS=$(JOBS) bash tests/tidy/check.sh

crash: chaos
chaos: packages-test $(BUILD)/build.ninja
	$(NINJA) -C $(BUILD)
	BUILD=$(BUILD) python3 tests/chaos/run.py

sim: packages-test $(BUILD)/build.ninja
	$(NINJA) -C $(BUILD) sim
	JOBS=$(JOBS) bash tests/sim/run.sh $(BUILD)
	@test -z "$(BITE)" || bash tests/sim/planted.sh $(BUILD)

fuzz: packages-check build
	test -n "$(FUZZ_ONLY)" || /usr/bin/python3 -B tests/contracts/differential/decide_documents.py --count 4000 \
	    --seed $$(date +%s) --decide $(BUILD)/tests/contracts/differential/decide_documents \
	    --schemas $(BUILD)/tests/contracts/differential/schemas
	JOBS=$(JOBS) python3 -B tests/fuzz/run.py

bench: packages-bench build
	bash tests/bench/run.sh

results:
	python3 -B tests/results.py

demo: build
	bash tests/demo/run.sh

SOURCES = $(shell git ls-files '*.c' '*.h' ':!tests/contracts/golden')
format: packages-check
	clang-format -i $(SOURCES)

new-module:
	@test -n "$(NAME)" || { echo 'make new-module NAME=x' >&2; exit 2; }
	sh cmake/new-module.sh $(NAME)

clean:
	rm -rf $(BUILD) build-tsan build-fuzz build-planted
