"""The bash functions by which scripts tell what becomes of each job, in files beside them.

Serial, tmux and Slurm tell of jobs by them, Airflow's script of the run alone (its tasks are Python). Pure.

`$here` is the directory of the pipeline. A reader may come at any time: a job has passed, failed or was skipped when
its file of that kind is there, made in one step after its status has been written. Names come as JSON texts.
"""

from __future__ import annotations

from runyard.pipeline.layout import KINDS

REFUSED = (73, 75)
"""The exit codes of a script that runs nothing: its files cannot be written, or it runs already."""

RUN = "RUNYARD_PIPELINE"
"""A variable of all jobs here, by which their processes are found: of serial and Airflow the directory of the run, of
tmux the name that the sessions of the run begin with."""

SURROUNDINGS = r"""
# Jobs get the environment of who starts this, and nothing that this script makes of it.
surroundings=$(
  export -n SHELLOPTS BASHOPTS
  set -o posix
  export -p
  set +o posix
  export -fp
)
""".strip()

UNDISTURBED = r"""
# Functions and options that who starts this has exported are not to get in the way here.
set +efC -u
export -n SHELLOPTS BASHOPTS
mapfile -t functions < <(compgen -A function)
unset -f "${functions[@]}"
""".strip()

HERE = 'here=$(CDPATH="" cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P) || exit 73'
"""Where the script lies."""

HERE_TOLD = "here=${BASH_SOURCE[0]%/*}"
"""The same for a script that is always started by its whole path."""

BORN = r"""
# When a process was born, in ticks of this boot: its pid alone may be given to another one.
born() {
  local stat
  read -r stat <"/proc/$1/stat" || return
  read -ra stat <<<"${stat##*) }"
  [[ ${stat[0]} != [ZX] ]] && echo "${stat[19]}"
}
""".strip()

TELL = r"""
# Tell of a job: its key, its name, what it does, its exit code, when it began and ended. That is put below
# what was told before, and the last line counts: to write a file anew takes a hundred times as long.
tell() {
  printf '{"name": %s, "status": "%s", "ret": %s, "started": %s, "ended": %s}\n' \
    "$2" "$3" "$4" "${5/,/.}" "${6/,/.}" >>"$here/status/$1.json"
}
""".strip()

_TELL_ALL = r"""
# Tell that the pipeline is running or done, and of the process that sees to it.
tell_all() {
  printf '{"status": "%s", "pid": %s, "born": %s}\n' "$1" "$$" "$(born "$$")" >>"$here/state"
}
""".strip()

TELLING = f"{BORN}\n\n{TELL}\n\n{_TELL_ALL}"
"""For scripts that see to a pipeline: of it, and of its jobs."""

SKIPPING = r"""
skip() { # KEY NAME
  tell "$1" "$2" skipped null null null
  : >"$here/skipped/$1"
}
""".strip()

_RUNNING = r"""
exec {input}<&0 {errors}>&2 # jobs get them

# The text of a job in a bash of its own, with the values of its variables, and nothing of ours open. It is called with
# 2>/dev/null: of a job that a signal ends bash would print there how we have started it.
held=("$errors") logging=() offer='' over=''
begin() ( # KEY, arguments of bash
  exec <&"$input" 2>&"$errors"
  for descriptor in "$input" ${over:+"$over"} "${logging[@]}" "${held[@]}"; do
    exec {descriptor}<&-
  done
  set -- "$here" "$offer" "$@" # a variable may be called as one of ours
%SURROUNDINGS%  if [[ -e $1/values.env ]]; then
    # shellcheck source=/dev/null
    source "$1/values.env" "$3"
  fi
  exec "$BASH" "${@:4}"
)

# The same with what it prints in its log, too. What a job leaves behind may go on printing there, but is not waited
# for: `tee` alone holds the other end of a pipe, whose end is the end of `tee`.
begin_logged() { # KEY, arguments of bash
  local pipe errors=1 log=$here/logs/$1.log
  [[ $over ]] || exec {over}< <(:)
  exec {pipe}>"/dev/fd/$over"
  local -a logging=("$pipe")
  begin "$@" > >(trap '' HUP INT TERM && exec tee -- "$log" {over}<&-) 2>/dev/null
  code=$?
  exec {pipe}>&-
  read -rt 1 -u "$over"
  if (($? > 128)); then
    exec {over}<&-
    over=''
  fi
}

# Run a job and tell of it; its exit code is in `code` then.
code=0
run_job() { # KEY NAME LOG, arguments of bash
  local key=$1 name=$2 log=$3 started=$EPOCHREALTIME
  shift 3
  tell "$key" "$name" running null "$started" null
  if [[ $log ]]; then
    begin_logged "$key" "$@"
  else
    begin "$key" "$@" 2>/dev/null
    code=$?
  fi
  if ((code == 0)); then
    tell "$key" "$name" passed 0 "$started" "$EPOCHREALTIME"
    : >"$here/passed/$key"
  else
    tell "$key" "$name" failed "$code" "$started" "$EPOCHREALTIME"
    : >"$here/failed/$key"
  fi
}
""".strip()


def running(surroundings: str = "") -> str:
    """For scripts that run jobs (beside BORN and TELL). `surroundings` are lines of `begin` that give a job more
    than the script itself has; for them `$1` is the directory, and `$2` what the script put into `offer`."""
    return _RUNNING.replace("%SURROUNDINGS%", surroundings)


CLAIM = r"""
# One run at a time: the latest claim counts, as long as the process lives that it names. A link is made at once with
# its text, and by one alone. None is ever taken away: who looked before would take its number.
holds() { # CLAIM
  local pid since
  read -r pid since < <(readlink -- "$here/claims/$1") && [[ $(born "$pid" 2>/dev/null) == "$since" ]]
}

claim() {
  local each
  mkdir -m 700 -- "$here/claims" 2>/dev/null || [[ -d $here/claims ]] || exit 73
  while :; do
    claim=0
    for each in "$here"/claims/*; do
      [[ ! -L $each ]] || ((${each##*/} <= claim)) || claim=${each##*/}
    done
    if holds "$claim"; then
      echo "this pipeline is running already, as process $(readlink -- "$here/claims/$claim")" >&2
      exit 75
    fi
    claim=$((claim + 1))
    ln -s -- "$$ $(born "$$")" "$here/claims/$claim" 2>/dev/null && return
    if [[ ! -L $here/claims/$claim ]]; then
      echo "$here/claims cannot be written" >&2
      exit 73
    fi
  done
}
claim
""".strip()


def anew(*others: str) -> str:
    """Bash by which a run begins with nothing told: these directories beside the KINDS are emptied too."""
    directories = " ".join((*KINDS, *others))
    return f"""
# Each run begins with nothing told.
(cd -- "$here" && rm -rf -- {directories} && mkdir -m 700 -- {directories}) || exit 73
""".strip()


RECORDING = f"{TELLING}\n\n{SKIPPING}\n\n{running()}"
"""All of it: of a script that sees to the pipeline and runs its jobs itself."""

ANEW = f'{CLAIM}\n{anew()}\n(umask 077 && : >>"$here/state")\ntell_all running || exit 73'
"""One run at a time, and each begins anew: of a script that sees to the pipeline itself."""
