# Everything a person or CI runs. Each target first installs what it needs (packaging/setup.sh).
#   make demo                  build, and take one record through the whole system
#   make test                  make lint, then every test
#   make sim                   the virtual board on a pseudo-terminal, until Ctrl-C
#   make bench                 figures: simulated board, engines, encryption, prediction
#   make bench-gateware        size and speed of the SHA-256 core; PEER=.../src/rtl of secworks/sha256 to compare with
#   make bitstream BOARD=hx8k  gateware to image; fails on missed timing
#   make lint                  formatting, clippy, docs, gateware lint, licences

BOARD ?= hx8k
CARGO ?= cargo
DEMO_FLAGS ?=
PEER ?=
# Real glucose exports for `make bench`; the simulated patient stands in where there are none.
CGM_FOLDER ?= $(wildcard ../shared/data/cgm_bigideas/dexcom)
# One profile everywhere, so that nothing is compiled twice.
R := --release --locked

.PHONY: demo test sim bench bench-gateware bitstream lint
.DEFAULT_GOAL := demo

demo:
	@packaging/setup.sh run
	$(CARGO) build $(R) -p twinseal-node --bins
	$(CARGO) run $(R) --quiet -p twinseal-node --bin twinseal -- demo $(DEMO_FLAGS)

test:
	@packaging/setup.sh test
	$(MAKE) --no-print-directory lint
	$(CARGO) test $(R) --workspace

sim:
	@packaging/setup.sh run
	$(CARGO) run $(R) -p twinseal-sim --bin twinseal-simboard

bench:
	@packaging/setup.sh test
	$(CARGO) build $(R) --workspace --examples --bins
	$(CARGO) run $(R) -p twinseal-sim --bin twinseal-simboard -- --bench
	$(CARGO) run $(R) -p twinseal-hdl -- report --board $(BOARD)
	$(CARGO) run $(R) -p twinseal-abe --example figures
	$(CARGO) run $(R) -p twinseal-twin --example compare -- $(CGM_FOLDER)

bench-gateware:
	@packaging/setup.sh bench-gateware
	PATH="$(CURDIR)/build/tools/ecp5/bin:$$PATH" YOWASP_CACHE_DIR="$(CURDIR)/build/tools/yowasp" \
		$(CARGO) run $(R) -p twinseal-hdl -- bench-gateware $(if $(PEER),--peer $(PEER))

bitstream:
	@packaging/setup.sh bitstream
	$(CARGO) run $(R) -p twinseal-hdl -- bitstream --board $(BOARD)

lint:
	@packaging/setup.sh lint
	$(CARGO) fmt --all --check
	$(CARGO) clippy $(R) --workspace --all-targets -- -D warnings
	$(CARGO) clippy $(R) -p twinseal-driver --features ftdi --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc $(R) --workspace --no-deps --quiet
	$(CARGO) run $(R) -p twinseal-hdl -- lint
	PATH="$(CURDIR)/build/tools/bin:$$PATH" $(CARGO) deny --locked check bans licenses sources
	PATH="$(CURDIR)/build/tools/bin:$$PATH" packaging/advisories.sh
