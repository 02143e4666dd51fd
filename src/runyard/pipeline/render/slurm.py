"""The bash script that submits a pipeline to Slurm, each job with sbatch, and what its jobs run. Pure.

A job's text goes to sbatch as it stands, after a line that has it told of in files beside the script
(`render.recording`): those files have to be seen by the nodes under the same path. They need bash 4.2, and Slurm 20.11.

Nobody runs half a pipeline: at the first job that sbatch refuses, those before it are cancelled.
"""

from __future__ import annotations

from collections.abc import Iterator

from runyard.model.wording import counted
from runyard.pipeline.layout import Layout, Rendering, ScriptFile
from runyard.pipeline.reading.sbatch import Asked, asked
from runyard.pipeline.render import bash
from runyard.pipeline.render.recording import ANEW, HERE, SURROUNDINGS, TELLING, UNDISTURBED
from runyard.pipeline.spec import PipelineJob, PipelineSpec

SUBMITTED, REFUSED = "submitted", "refused"
"""What the script says of itself at its end."""

NUMBERS = "submitted"
"""The file with the key of each job that was submitted, and Slurm's number of it: a line as soon as it is known."""

VERDICTS = "verdicts.json"
"""The file with what Slurm has said of the ends of jobs that could not tell of it themselves: a state and a reason."""

JOB_SIDE = r"""
# A job begins: the rest of its script is run in a bash of its own, and told of. In that bash this returns at once.
record() { # KEY NAME DIRECTORY
  if [[ ${RUNYARD_INSIDE-} ]]; then
    unset RUNYARD_INSIDE
    unset -f tell record ended all_ended cancel_others keep begin
    return
  fi
  surroundings=$(export -n SHELLOPTS BASHOPTS && set -o posix && export -p) # before any of them is one of ours
  local key=$1 name=$2 here=$3 own=$1 input result signal started keeper command code stopped=''
  started=$(date +%s.%N)
  if [[ ${SLURM_ARRAY_TASK_ID-} ]]; then
    tell "$key" "$name" running null "$started" null
    own=$key.$SLURM_ARRAY_TASK_ID
  fi
  rm -f -- "$here/passed/$own" "$here/failed/$own"
  tell "$own" "$name" running null "$started" null
  exec {input}<&0 {result}<> <(:)
  trap 'stopped=1' TERM
  set -m # so that what is in the background is reached by SIGINT
  keep "$key" "$here" &
  keeper=$!
  set +m
  read -r command <&"$result"
  # What is to end a job Slurm sends to all its processes; what its option --signal=B: asks for, to this one alone.
  for signal in HUP INT QUIT USR1 USR2; do
    trap "kill -$signal"' "$command"' "$signal"
  done
  while kill -0 "$keeper" 2>/dev/null; do
    wait "$keeper"
  done
  code=137
  read -rt 1 code <&"$result"
  ((code == 0)) || read -rt 0.1 <&"$result" # the signal that has ended it may be on its way to us
  if [[ $stopped ]]; then
    tell "$own" "$name" running "$code" "$started" "$(date +%s.%N)" # Slurm knows why
  else
    ended "$own" "$name" "$code" "$started"
    [[ $own == "$key" ]] || all_ended "$key" "$name"
  fi
  exit "$code"
}

ended() { # KEY NAME CODE STARTED
  if (($3 == 0)); then
    tell "$1" "$2" passed 0 "$4" "$(date +%s.%N)"
    : >"$here/passed/$1"
  else
    tell "$1" "$2" failed "$3" "$4" "$(date +%s.%N)"
    : >"$here/failed/$1"
    [[ ! -e $here/onfail-kill ]] || cancel_others "${SLURM_ARRAY_JOB_ID:-$SLURM_JOB_ID}"
  fi
}

# Cancel what was submitted, each job by its number.
cancel_others() { # NUMBER of the one that stays
  local number cluster
  cancelled='' left=''
  while IFS=' ;' read -r _ number cluster; do
    if [[ $number == "$1" ]]; then
      continue
    elif scancel ${cluster:+"--clusters=$cluster"} "$number"; then
      cancelled+=" $number"
    else
      left+=" $number"
    fi
  done <"$here/submitted"
}

# An array has ended as its last task has, and as badly as the first of those that failed.
all_ended() { # KEY NAME
  local task count=0 code=0 status
  for task in "$here/passed/$1".* "$here/failed/$1".*; do
    [[ -e $task ]] || continue
    count=$((count + 1))
    status=$(<"$here/status/${task##*/}.json")
    if ((code == 0)) && [[ $status =~ '"ret": '([0-9]+) ]]; then
      code=${BASH_REMATCH[1]}
    fi
  done
  ((count < SLURM_ARRAY_TASK_COUNT)) || ended "$1" "$2" "$code" null
}

# Tell the number of the job's process, and its exit code. (A `wait` that a signal breaks off may lose it.)
keep() { # KEY DIRECTORY
  trap : TERM
  exec {errors}>&2 2>/dev/null
  (begin "$@")
  echo "$?" >&"$result"
}

begin() { # KEY DIRECTORY
  echo "$BASHPID" >&"$result"
  exec <&"$input" 2>&"$errors" {input}<&- {errors}>&- {result}>&-
  eval "$surroundings"
  %PUBLIC%if [[ -e $2/values.env ]]; then
    # shellcheck source=/dev/null
    source "$2/values.env" "$1"
  fi
  export RUNYARD_INSIDE=1
  exec "$BASH" "$0" "$2"
}
""".strip()

SUBMITTING = r"""
sbatch() { # it hands on the environment, which is to be that of who starts this
  eval "$surroundings"
  command sbatch "$@"
}

# A job that has been submitted: its key and Slurm's number of it.
submitted() {
  printf '%s %s\n' "$1" "$2" >>"$here/submitted"
  [[ ! $interrupted ]] || give_up 'interrupted'
}

refused() { # NAME
  give_up "sbatch refused the job \"$1\""
}

# Half a pipeline is of no use.
give_up() { # WHY
  trap '' INT TERM HUP
  cancel_others none
  echo "### $1, so the pipeline is not run" >&2
  [[ ! $cancelled ]] || echo "### cancelled, as they had been submitted:$cancelled" >&2
  [[ ! $left ]] || echo "### could not be cancelled, use: scancel$left" >&2
  tell_all refused
  exit 1
}

# Slurm goes on without this script: its jobs may still be there.
unfinished=''
if [[ -e $here/submitted ]]; then
  while read -r key number; do
    [[ -e $here/passed/$key || -e $here/failed/$key ]] || unfinished+=${unfinished:+,}${number%%;*}
  done <"$here/submitted"
fi
if [[ $unfinished && $(squeue --noheader --user="$UID" --jobs="$unfinished" 2>/dev/null) ]]; then
  echo "this pipeline is running already, as jobs $unfinished" >&2
  exit 75
fi
""".strip()

BEGIN = r"""
rm -f -- "$here/submitted" "$here/verdicts.json" "$here/onfail-kill"
[[ ${1-} != onfail=kill ]] || : >"$here/onfail-kill" # the first job that fails ends the others
: >"$here/submitted"
declare -f tell record ended all_ended cancel_others keep begin >"$here/record.sh"
chmod 700 -- "$here/record.sh"
interrupted=''
trap 'interrupted=1' INT TERM HUP
logs=${here//%/%%}/logs # for sbatch % has a meaning
batch=(--ignore-pbs --kill-on-invalid-dep=yes /dev/stdin "$here")
""".strip()

END = r"""
tell_all submitted
if [[ -e $here/onfail-kill && $(ls -A -- "$here/failed") ]]; then
  cancel_others none # those that the one that failed did not find yet
fi
echo "### %TOTAL% submitted to Slurm"
""".strip()


def render(layout: Layout) -> Rendering:
    """The script, and the file of values if there are any."""
    spec = layout.spec
    how = "Submits them to Slurm. Each tells of itself in passed/, failed/, status/ and logs/ beside this script."
    public = "".join(f"{line}\n  " for line in bash.public(spec))
    parts = [
        bash.heading(bash.title(spec), how) + "# shellcheck disable=SC2016\n" + SURROUNDINGS,
        UNDISTURBED,
        HERE,
        TELLING,
        JOB_SIDE.replace("%PUBLIC%", public),
        SUBMITTING,
        ANEW,
        BEGIN,
        *_jobs(layout),
        END.replace("%TOTAL%", counted(len(spec.jobs), "job")),
    ]
    files = [ScriptFile(layout.script(), "\n\n".join(parts) + "\n")]
    if bash.has_values(spec):
        files.append(bash.values_file(layout))
    return Rendering(tuple(files))


def _jobs(layout: Layout) -> Iterator[str]:
    spec, keys = layout.spec, layout.keys
    variables = _variables(spec)
    for job in spec.in_order:
        variable, key = variables[job.name], keys[job.name]
        options = asked(spec, job)
        words = ["sbatch", "--parsable", *_options(job, options, variables), *_log(job, options, key), '"${batch[@]}"']
        told = f'source "$1/record.sh" || exit; record {key} {bash.json_word(job.name)} "$1"; shift\n'
        submission = _submission(variable, words, told + bash.job_text(spec, job))
        submitted = f'submitted {key} "${variable}"'
        if "clusters" in options:  # sbatch says the cluster beside the number
            submitted += f"; {variable}=${{{variable}%%;*}}"
        yield f"{submission} || refused {bash.double_quoted(job.name)}\n{submitted}"


def _variables(spec: PipelineSpec) -> dict[str, str]:
    """The variable of the script that holds Slurm's number of each job."""
    return {job.name: f"JOB_{number:03}" for number, job in enumerate(spec.in_order)}


def _log(job: PipelineJob, options: Asked, key: str) -> Iterator[str]:
    if "output" not in options:
        task = ".%a" if "array" in options else ""
        yield f'--output="$logs/{key}{task}.log"' if job.log else "--output=/dev/null"


def _submission(variable: str, words: list[str], text: str) -> str:
    word, document = bash.heredoc(f"#!/usr/bin/env bash\n{text}")
    return f"{variable}=$({' '.join(words)} <<'{word}'\n{document}\n)"


def _options(job: PipelineJob, options: Asked, variables: dict[str, str]) -> Iterator[str]:
    """The words for sbatch: the name, whom it waits for, and all that was asked for."""
    yield f"--job-name={bash.double_quoted(job.name)}"
    needs = "".join(f":${{{variables[need]}}}" for need in job.needs)
    theirs = options.get("dependency")
    if needs:
        yield f'"--dependency=afterok{needs}{"," if theirs else ""}"' + (bash.quoted(theirs) if theirs else "")
    for option, value in options.items():
        if option != "dependency" or not needs:
            flag = f"--{option.replace('_', '-')}"
            yield f"{flag}={bash.quoted(value)}" if value else flag


def readable(spec: PipelineSpec) -> str:
    """What would be submitted, as it could be typed."""
    lines = [bash.heading(bash.title(spec), "Its jobs, each as it is submitted to Slurm.").rstrip()]
    variables = _variables(spec)
    for number, job in enumerate(spec.in_order, 1):
        words = ["sbatch", "--parsable", *_options(job, asked(spec, job), variables)]
        lines.extend(("#", f"### Command {number} / {len(spec.jobs)} - {job.name}"))
        lines.append(_submission(variables[job.name], words, bash.job_text(spec, job)))
    return "\n".join(lines) + "\n"
