#!/bin/sh
# Sees to the parts outside .venv that tests need; `make test` calls it each time, and it is instant when all is there.
# In CI, and for root on a machine with apt, what is missing is installed. In CI a part that stays missing is a failure;
# elsewhere it is said loudly which tests will be skipped.
set -u
cd "$(dirname "$0")/.." || exit

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
shellcheck:shellcheck:the scripts of pipelines, by what shellcheck says of them
/usr/sbin/munged:munge:pipelines in Slurm
/usr/sbin/slurmctld:slurm-wlm:pipelines in Slurm
/usr/sbin/slurmd:slurm-wlm:pipelines in Slurm
dot:graphviz:that Graphviz reads our drawings
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

# What is installed starts no service: Debian asks this file.
without_services() {
    policy=/usr/sbin/policy-rc.d
    [ ! -e "$policy" ] || { "$@"; return; }
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
    as_root chmod 755 "$policy"
    "$@"
    installed=$?
    as_root rm -f "$policy"
    return "$installed"
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

# Airflow wants other versions of what we need, so it has an environment of its own.
airflow=apache-airflow==3.3.2

make_venv_airflow() {
    echo "Tests need: $airflow - installing it in .venv-airflow." >&2
    python_of_its_own .venv-airflow -m pip install --quiet --disable-pip-version-check uv &&
        .venv-airflow/bin/uv pip install --quiet --compile-bytecode --python .venv-airflow/bin/python "$airflow" &&
        echo "$airflow" >.venv-airflow/ready
}

# cmd_queue's own tests run on ours: here are it, what they need, we, and (in source/) they themselves and its README.
cmd_queue=cmd_queue==0.3.2

make_venv_cmd_queue() {
    echo "Tests need: $cmd_queue - installing it in .venv-cmd_queue." >&2
    python_of_its_own .venv-cmd_queue -m pip install --quiet --disable-pip-version-check \
        "$cmd_queue" kwutil ubelt pint textual pytest pytest-timeout pytest-xdist xdoctest --editable . &&
        .venv-cmd_queue/bin/python -m pip download --quiet --disable-pip-version-check --no-deps --no-binary :all: \
            --dest .venv-cmd_queue/sdist "$cmd_queue" &&
        mkdir -p .venv-cmd_queue/source &&
        tar -xzf .venv-cmd_queue/sdist/cmd_queue-*.tar.gz -C .venv-cmd_queue/source --strip-components=1 &&
        echo "$cmd_queue" >.venv-cmd_queue/ready
}

# Make this environment anew, and call its Python.
python_of_its_own() {
    environment=$1
    shift
    .venv/bin/python -m venv --clear "$environment" && "$environment/bin/python" "$@"
}

is_ready() {
    [ "$(cat "$1/ready" 2>/dev/null)" = "$2" ]
}

packages=$(missing)
if [ -n "$packages" ] && may_install; then
    echo "Tests need: $packages- installing." >&2
    # The packages are words to split.
    # shellcheck disable=SC2086
    { apt update; without_services apt install -y --no-install-recommends $packages; } >&2
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

if ! is_ready .venv-airflow "$airflow" && ! make_venv_airflow >&2; then
    echo "*** $airflow could not be installed: SKIPPED will be the tests of pipelines in Airflow. ***" >&2
    failed=yes
fi

if ! is_ready .venv-cmd_queue "$cmd_queue" && ! make_venv_cmd_queue >&2; then
    echo "*** $cmd_queue could not be installed: SKIPPED will be its own tests, which run on our pipelines. ***" >&2
    failed=yes
fi

[ -z "$failed" ] || [ -z "${CI:-}" ]
