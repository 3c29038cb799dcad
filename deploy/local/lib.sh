# shellcheck shell=bash
# What the scripts of this directory share: messages, and getting what a machine lacks.
# Owns: apt packages it installs (as root on Debian only). Refuses: starting a service of the machine.

# Failpoints, for all that is tested: compiled in everywhere, so that lints, programs and tests share one build.
# shellcheck disable=SC2034 # by those who read this file
features=--features=referral/failpoints,daily-records/failpoints,credits/failpoints,billing/failpoints,mail/failpoints
features+=,referral/otlp,daily-records/otlp,credits/otlp,billing/otlp,mail/otlp

say() { printf '%s\n' "$*" >&2; }
die() { say "$*"; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }

# True where packages can be installed: root on Debian or a relative of it.
can_apt() { [ "$(id -u)" -eq 0 ] && [ -e /etc/debian_version ] && have apt-get && have flock; }

# apt_install PACKAGE...: without starting a service, one caller at a time. False where it fails.
apt_install() (
    exec 8</var/lib/dpkg && flock 8
    missing=()
    for package; do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
    done
    [ "${#missing[@]}" -gt 0 ] || exit 0
    say "installing ${missing[*]}"
    # Debian's packages start their server on its standard port unless this file forbids it.
    policy=/usr/sbin/policy-rc.d mark='# by referral deploy/local/lib.sh, removed when the installation ends'
    if [ ! -e "$policy" ] || grep -qxF "$mark" "$policy"; then
        trap 'rm -f "$policy"' EXIT
        trap 'exit 1' HUP INT TERM
        printf '#!/bin/sh\n%s\nexit 101\n' "$mark" >"$policy"
        chmod 755 "$policy"
    fi
    log=$(mktemp "${TMPDIR:-/tmp}/referral-apt.XXXXXX")
    export DEBIAN_FRONTEND=noninteractive
    apt-get -o DPkg::Lock::Timeout=300 update >"$log" 2>&1 </dev/null 8<&- || true
    if apt-get -o DPkg::Lock::Timeout=300 install -y --no-install-recommends "${missing[@]}" >>"$log" 2>&1 </dev/null 8<&-; then
        rm -f "$log"
    else
        say "apt-get could not install ${missing[*]}; its output is in $log"
        exit 1
    fi
)

# need COMMAND PACKAGE...: installs the packages where the command is missing, or says what to install.
need() {
    local command=$1
    shift
    have "$command" && return
    if can_apt; then apt_install "$@" || true; fi
    hash -r
    have "$command" || die "$command is missing: install $* (Debian's names), then run this again"
}

need_rust() { have cargo || die "cargo is missing: install Rust 1.95 or later (rustup), then run this again"; }

# Rust programs need a linker, and SQLite and the cryptography are C and assembly.
need_compiler() {
    need_rust
    need cc gcc libc6-dev
}

# python_with_clients VENV: prints a Python that has what the tests' foreign clients and servers are made
# of, pika and aiosmtpd; a virtual environment is the last resort.
python_with_clients() {
    local venv=$1 python
    for python in /usr/bin/python3 "$venv/bin/python3"; do
        if has_clients "$python"; then echo "$python" && return; fi
    done
    if can_apt && apt_install python3-pika python3-aiosmtpd && has_clients /usr/bin/python3; then
        echo /usr/bin/python3 && return
    fi
    mkdir -p "$(dirname "$venv")"
    if { python3 -m venv "$venv" && "$venv/bin/pip" install --quiet 'pika>=1.3,<2' 'aiosmtpd>=1.4,<2'; } \
        >"$venv.log" 2>&1 && has_clients "$venv/bin/python3"; then
        echo "$venv/bin/python3" && return
    fi
    die "Python's pika or aiosmtpd is missing: install python3-pika python3-aiosmtpd (Debian's names), then run this again"
}

has_clients() { "$1" -c 'import pika, aiosmtpd' 2>/dev/null; }

# npm_package DIR NAME VERSION: prints a node_modules that has this package.
npm_package() {
    local dir=$1 name=$2 version=$3 mark
    mark=$dir/node_modules/.complete-${name//\//-}-$version
    if [ ! -e "$mark" ]; then
        need npm npm >&2
        mkdir -p "$dir"
        rm -rf "${dir:?}/node_modules"
        npm install --prefix "$dir" --no-package-lock --no-audit --no-fund "$name@$version" >"$dir/install.log" 2>&1 </dev/null \
            || die "npm install $name failed; see $dir/install.log"
        touch "$mark"
    fi
    echo "$dir/node_modules"
}

# amqplib_for_node DIR: the same of what the publisher in Node is made of.
amqplib_for_node() { npm_package "$1" amqplib 2.3.1; }
