# Everything a person or CI runs. Each target first installs what it needs (packaging/setup.sh).
#   make demo                  build, and take one record through the whole system
#   make test                  make lint, then every test
#   make sim                   the virtual board on a pseudo-terminal, until Ctrl-C
#   make bench                 figures: simulated board, engines, encryption, prediction
#   make bench-gateware        size and speed of the hash engine beside secworks/sha256, or its src/rtl given as PEER=
#   make bench-rings           how alike the rings of the PUF are routed, and what entropy that leaves
#   make bench-abe             encryption beside other implementations: docs/benchmarks/abe
#   make bitstream             gateware to images, of one board with BOARD=hx8k; fails on missed timing and unlike rings
#   make formal                proofs of the gateware, of every board, and whether they find defects: hdl/formal
#   make fuzz SECONDS=60       every fuzz target of the encryption crate for so long
#   make ct SAMPLES=100000     whether operations on secrets take the same time
#   make lint                  formatting, clippy, docs, gateware lint, licences

# A board of boards.toml; empty for all that have a device.
BOARD ?=
CARGO ?= cargo
DEMO_FLAGS ?=
# Verilog to compare with; setup.sh clones it unless another folder is given.
PEER ?= build/peers/sha256/src/rtl
# Real glucose exports for `make bench`; the simulated patient stands in where there are none.
CGM_FOLDER ?= $(wildcard ../shared/data/cgm_bigideas/dexcom)
# One profile everywhere, so that nothing is compiled twice.
R := --release --locked

.PHONY: demo test sim bench bench-gateware bench-rings bench-abe bitstream formal fuzz ct lint
.DEFAULT_GOAL := demo

demo:
	@packaging/setup.sh run
	$(CARGO) build $(R) -p twinseal-node --bins
	$(CARGO) run $(R) --quiet -p twinseal-node --bin twinseal -- demo $(DEMO_FLAGS)

test:
	@packaging/setup.sh test
	$(MAKE) --no-print-directory lint
	TWINSEAL_REQUIRE_TOOLS=1 $(CARGO) test $(R) --workspace

sim:
	@packaging/setup.sh run
	$(CARGO) run $(R) -p twinseal-sim --bin twinseal-simboard

bench:
	@packaging/setup.sh test
	$(CARGO) build $(R) --workspace --examples --bins
	$(CARGO) run $(R) -p twinseal-sim --bin twinseal-simboard -- --bench
	$(CARGO) run $(R) -p twinseal-hdl -- report $(if $(BOARD),--board $(BOARD))
	$(CARGO) run $(R) -p twinseal-abe-peers --example bench -- --quick
	$(CARGO) run $(R) -p twinseal-twin --example compare -- $(CGM_FOLDER)

bench-gateware:
	@packaging/setup.sh bench-gateware
	@test "$(PEER)" != build/peers/sha256/src/rtl || packaging/setup.sh peer
	PATH="$(CURDIR)/build/tools/ecp5/bin:$$PATH" YOWASP_CACHE_DIR="$(CURDIR)/build/tools/yowasp" \
		$(CARGO) run $(R) -p twinseal-hdl -- bench-gateware $(if $(PEER),--peer $(PEER))

bench-rings:
	@packaging/setup.sh bench-gateware
	PATH="$(CURDIR)/build/tools/ecp5/bin:$$PATH" YOWASP_CACHE_DIR="$(CURDIR)/build/tools/yowasp" \
		$(CARGO) run $(R) -p twinseal-hdl -- rings

bench-abe:
	@packaging/setup.sh run
	host/abe/peers/charm/run.sh build/charm
	$(CARGO) run $(R) -p twinseal-abe-peers --example bench -- --charm build/charm/times.csv \
		--out docs/benchmarks/abe --readme host/abe/peers/README.md

bitstream:
	@packaging/setup.sh bitstream
	$(CARGO) run $(R) -p twinseal-hdl -- bitstream $(if $(BOARD),--board $(BOARD))

formal:
	@packaging/setup.sh formal
	$(CARGO) run $(R) -p twinseal-hdl -- formal --board hx8k
	$(CARGO) run $(R) -p twinseal-hdl -- formal --board icebreaker
	$(CARGO) test $(R) -p twinseal-hdl --test formal_properties every_defect_is_found -- --nocapture

# Findings go to host/abe/fuzz/artifacts, what is learnt to host/abe/fuzz/target/corpus; the seeds stay as they are.
SECONDS ?= 60
CARGO_FUZZ_VERSION := 0.13.2
fuzz:
	@rustup toolchain list | grep -q ^nightly || { echo "fuzz: needs a nightly compiler; rustup toolchain install nightly" >&2; exit 1; }
	@build/tools/bin/cargo-fuzz --version 2>/dev/null | grep -q ' $(CARGO_FUZZ_VERSION)$$' || \
	    $(CARGO) install cargo-fuzz --version $(CARGO_FUZZ_VERSION) --locked --quiet --root build/tools
	@cd host/abe/fuzz && for target in $(notdir $(basename $(wildcard host/abe/fuzz/fuzz_targets/*.rs))); do \
	    mkdir -p target/corpus/$$target && \
	    PATH="$(CURDIR)/build/tools/bin:$$PATH" $(CARGO) +nightly fuzz run --fuzz-dir . $$target \
	        target/corpus/$$target corpus/$$target -- -max_total_time=$(SECONDS) -print_final_stats=1 || exit 1; \
	done

SAMPLES ?= 100000
ct:
	TWINSEAL_CT_SAMPLES=$(SAMPLES) $(CARGO) test $(R) -p twinseal-abe --test constant_time -- --nocapture

lint:
	@packaging/setup.sh lint
	$(CARGO) fmt --all --check
	$(CARGO) clippy $(R) --workspace --all-targets -- -D warnings
	$(CARGO) clippy $(R) -p twinseal-driver --features ftdi --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc $(R) --workspace --no-deps --quiet
	$(CARGO) run $(R) -p twinseal-hdl -- lint
	PATH="$(CURDIR)/build/tools/bin:$$PATH" $(CARGO) deny --locked check bans licenses sources
	PATH="$(CURDIR)/build/tools/bin:$$PATH" packaging/advisories.sh
