#!/bin/sh
# Installs the peers that `make bench` measures beside us. Nothing of them is needed for anything else.
#
#   task-spooler, GNU parallel, tmux    from Debian (root; otherwise said and left out)
#   HyperQueue, cmd_queue               from PyPI, in bench/.venv-peers
set -eu
here=$(cd "$(dirname "$0")" && pwd)

missing=
command -v tsp >/dev/null || missing="$missing task-spooler"
command -v parallel >/dev/null || missing="$missing parallel"
command -v tmux >/dev/null || missing="$missing tmux"
if [ -n "$missing" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get -qq update
    # shellcheck disable=SC2086
    DEBIAN_FRONTEND=noninteractive apt-get -qq install --no-install-recommends $missing
elif [ -n "$missing" ]; then
    echo "not installed (an administrator can: apt install$missing)" >&2
fi

python=${PYTHON:-python3}
[ -x "$here/.venv-peers/bin/python" ] || "$python" -m venv "$here/.venv-peers"
"$here/.venv-peers/bin/python" -m pip install --quiet --disable-pip-version-check 'hyperqueue==0.27.0' 'cmd_queue==0.3.2'
