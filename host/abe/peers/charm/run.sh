#!/bin/sh
# Times of RW15 in Charm 0.62 (PyPI), as CSV for `make bench-abe`: run.sh FOLDER
#
# Everything goes into FOLDER: PBC where the system has none, a virtual environment, times.csv. Charm is for
# comparison only; where it cannot be had this says why and succeeds without times.csv. PBC_SOURCE may name
# an unpacked PBC, for machines that cannot reach its site.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
folder=$(cd "$1" && pwd)
log=$folder/log
: >"$log"
rm -f "$folder/times.csv"

give_up() {
    echo "Charm is left out: $1. Details: $log"
    exit 0
}

# What Debian calls the programs and headers needed.
packages="gcc make libgmp-dev libssl-dev python3-venv python3-dev flex bison libfl-dev"
if [ -n "${PBC_SOURCE:-}" ]; then
    packages="$packages g++ autoconf automake libtool autoconf-archive"
fi
for package in $packages; do
    case "$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null)" in
    *"ok installed") ;;
    *) missing="${missing:-} $package" ;;
    esac
done
if [ -n "${missing:-}" ]; then
    [ "$(id -u)" = 0 ] || give_up "these Debian packages are missing and need root:$missing"
    echo "installing Debian packages:$missing"
    # shellcheck disable=SC2086 # a list of words on purpose
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $missing; } \
        >>"$log" 2>&1 || give_up "apt-get failed"
fi

# PBC: Debian dropped it after bullseye.
prefix=$folder/pbc
has_pbc() {
    echo 'int main(void) { return 0; }' >"$folder/probe.c"
    # shellcheck disable=SC2086
    gcc -include pbc/pbc.h $1 "$folder/probe.c" -o "$folder/probe" -lpbc -lgmp >>"$log" 2>&1
}
built="-I$prefix/include -L$prefix/lib -Wl,-rpath,$prefix/lib"
if ! has_pbc "" && ! has_pbc "$built"; then
    echo "building PBC"
    if [ -n "${PBC_SOURCE:-}" ]; then
        rm -rf "$folder/pbc-source" && cp -r "$PBC_SOURCE" "$folder/pbc-source"
        [ -x "$folder/pbc-source/configure" ] || (cd "$folder/pbc-source" && autoreconf -i) >>"$log" 2>&1 ||
            give_up "autoreconf of PBC failed"
    else
        archive=$folder/pbc.tar.gz
        curl -fsSL --max-time 60 -o "$archive" https://crypto.stanford.edu/pbc/files/pbc-0.5.14.tar.gz 2>>"$log" ||
            give_up "PBC is not installed and its source cannot be downloaded; set PBC_SOURCE to an unpacked one"
        echo "772527404117587560080241cedaf441e5cac3269009cdde4c588a1dce4c23d2  $archive" |
            sha256sum -c >>"$log" 2>&1 || give_up "the archive of PBC is not the one this script knows"
        rm -rf "$folder/pbc-source" && mkdir "$folder/pbc-source"
        tar -xzf "$archive" -C "$folder/pbc-source" --strip-components=1 >>"$log" 2>&1
    fi
    (cd "$folder/pbc-source" && ./configure --prefix="$prefix" --disable-static && make && make install) \
        >>"$log" 2>&1 || give_up "PBC does not build"
fi

python=$folder/venv/bin/python
if ! "$python" -c "import charm.schemes.abenc.abenc_maabe_rw15" >>"$log" 2>&1; then
    echo "installing Charm from PyPI"
    python3 -m venv "$folder/venv" >>"$log" 2>&1 || give_up "no virtual environment"
    CFLAGS="-I$prefix/include" LDFLAGS="-L$prefix/lib -Wl,-rpath,$prefix/lib" \
        "$python" -m pip install --quiet charm-crypto-framework==0.62 setuptools >>"$log" 2>&1 ||
        give_up "pip could not install charm-crypto-framework"
fi
"$python" "$here/bench.py" >"$folder/times.part" 2>>"$log" || give_up "its benchmark failed"
mv "$folder/times.part" "$folder/times.csv"
echo "Charm's times are in $folder/times.csv"
