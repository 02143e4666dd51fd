"""The bash of one worker of a tmux pipeline, and how the environment of who starts it comes to its jobs. Pure.

A worker runs one job after the other in the terminal of its session, until the pipe with its orders has ended. Then its
session goes, or stays with a shell in it, or is written into a file and goes, as the driver was told.
"""

from __future__ import annotations

ENVIRONMENT = r"""
# Jobs get the environment of who starts this, not that of tmux: workers source it. What is the terminal's stays here.
surroundings=$(
  unset -v TMUX TMUX_PANE TERM TERM_PROGRAM TERM_PROGRAM_VERSION COLUMNS LINES SHLVL OLDPWD _
  export -n SHELLOPTS BASHOPTS
  umask -p
  set -o posix
  export -p
  set +o posix
  export -fp
  printf 'cd -- %q || exit 3\n' "$PWD"
)
""".strip()
"""The first lines of the driver, before it has variables of its own."""

SURROUNDINGS = """\
  # shellcheck source=/dev/null
  source "$1/environment.env"
  export %RUN%=${2%%:*}
  [[ $2 != *:=* ]] || export CUDA_VISIBLE_DEVICES=${2#*:=}
"""

WORKER = r"""
worker=$1 session=$2 onfail=$3 onexit=$4
bad=''

# tmux has an environment of its own, which is nobody's business but the terminal's.
mapfile -t inherited < <(compgen -e)
export -n "${inherited[@]}"
export TERM TMUX TMUX_PANE

trap : INT # what is typed here is for the job
exec {news}<>"$here/wire/news"
exec {both}<>"$here/wire/$worker"
exec {orders}<"$here/wire/$worker" {both}<&-
held+=("$news" "$orders")
echo "$worker here $$ $(born "$$")" >&"$news"

while read -r -u "$orders" key log devices name; do
  echo "### $name"
  echo "$session-$worker" >"$here/sessions/$key"
  offer=$session:$devices
  script=$here/jobs/$key.sh
  # Of a text bash becomes the last command, of a file it does not: that saves a process. A text must not be too long.
  IFS= read -rd '' text <"$script"
  if ((${#text} < 30000)); then set -- -c "$text" "$script"; else set -- "$script"; fi
  run_job "$key" "$name" "${log#-}" "$@"
  ((code == 0)) || bad=yes
  echo "$worker ended $code" >&"$news"
done

# All that was printed stands on the screen when the terminal answers.
capture() {
  printf '\e[5n'
  IFS= read -rsd n -t 2 _
  (umask 077 && tmux capture-pane -p -J -S - -t "$TMUX_PANE" >"$here/captured/$worker.txt")
}

if [[ $bad ]]; then fate=$onfail; else fate=$onexit; fi
case $fate in
  capture) capture ;;
  keep)
    echo "### $session is over; this shell stays until you leave it"
    for descriptor in "$input" "$over" "${held[@]}"; do
      [[ ! $descriptor ]] || exec {descriptor}<&-
    done
    # shellcheck source=/dev/null
    source "$here/environment.env"
    exec "${SHELL:-$BASH}" -i
    ;;
esac
""".strip()
