#!/bin/sh
# Sees to the parts outside .venv that tests need; `make test` calls it each time, and it is instant when all is there.
# In CI, and for root on a machine with apt, what is missing is installed. In CI a part that stays missing is a failure;
# elsewhere it is said loudly which tests will be skipped.
set -u
cd "$(dirname "$0")/.."

# command, its packages, what is skipped without it
parts() {
    cat <<'END'
strace:strace:the runner killed at every system call
gcc:gcc libc6-dev:GPUs, by a small fake NVML library
git:git:what reads a repository
/usr/sbin/sshd:openssh-server openssh-client:the yards of other machines
tmux:tmux:what is seen on a terminal
crontab:cron:a server that crontab starts
systemd-analyze:systemd:the units of `ry server install`
zsh:zsh:the Tab key in zsh
fish:fish:the Tab key in fish
END
}

missing() {
    parts | while IFS=: read -r command packages _; do
        command -v "$command" >/dev/null || printf '%s ' "$packages"
    done
}

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

apt() {
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=900 "$@"
}

may_install() {
    command -v apt-get >/dev/null && { [ "$(id -u)" = 0 ] || [ -n "${CI:-}" ]; }
}

# Unit tests of what is shipped to hosts also run under Python 3.9, where there is one: it needs a pytest of its own.
python39() {
    for python in python3.9 "${HOME:-}"/.pyenv/versions/3.9*/bin/python3.9; do
        "$python" -c 'import ensurepip' 2>/dev/null && echo "$python" && return
    done
}

make_venv39() {
    python=$(python39)
    [ -n "$python" ] || return 0
    "$python" -m venv .venv39 &&
        .venv39/bin/python -m pip install --quiet --disable-pip-version-check pytest pytest-timeout hypothesis nvidia-ml-py &&
        touch .venv39/ready
}

packages=$(missing)
if [ -n "$packages" ] && may_install; then
    echo "Tests need: $packages- installing." >&2
    # The packages are words to split.
    # shellcheck disable=SC2086
    { apt update; apt install -y --no-install-recommends $packages; } >&2
fi

failed=
parts | while IFS=: read -r command packages skipped; do
    command -v "$command" >/dev/null ||
        echo "*** $command is missing (install $packages): SKIPPED will be the tests of $skipped. ***" >&2
done
[ -z "$(missing)" ] || failed=yes

if [ ! -e .venv39/ready ] && ! make_venv39 >&2; then
    echo "*** Python 3.9 is here, but pytest could not be installed for it: SKIPPED will be its tests. ***" >&2
    failed=yes
fi

[ -z "$failed" ] || [ -z "${CI:-}" ]
