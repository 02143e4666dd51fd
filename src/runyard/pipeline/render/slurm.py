"""The bash script that submits a pipeline to Slurm, each job with sbatch, and what its jobs run. Pure.

A job's text goes to sbatch as it stands, after a line that has it told of in files beside the script
(`render.recording`): those files have to be seen by the nodes under the same path. They need bash 4.2, and Slurm 20.11.

Nobody runs half a pipeline: at the first job that sbatch refuses, those before it are cancelled.
"""

from __future__ import annotations

from collections.abc import Iterator

from runyard.pipeline.graph import Graph
from runyard.pipeline.layout import Layout, Rendering, ScriptFile
from runyard.pipeline.render import bash
from runyard.pipeline.render.recording import ANEW, HERE, TELLING
from runyard.pipeline.sbatch import asked
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
    unset -f tell begin record
    return
  fi
  local key=$1 name=$2 here=$3 input signal started command='' code caught='' stopped=''
  started=$(date +%s.%N)
  rm -f -- "$here/passed/$key" "$here/failed/$key"
  tell "$key" "$name" running null "$started" null null
  # What is to end a job Slurm sends to all its processes, what its option --signal=B: asks for to this one alone.
  trap 'caught=1 stopped=1' TERM
  for signal in HUP INT QUIT USR1 USR2; do
    trap "caught=1; kill -$signal"' "$command"' "$signal"
  done
  exec {input}<&0
  set -m # in the background it would not be reached by SIGINT otherwise
  begin "$key" "$here" <&"$input" {input}<&- &
  command=$!
  set +m
  while wait "$command" 2>/dev/null; code=$?; [[ $caught ]]; do
    caught=''
  done
  if [[ $stopped ]]; then
    # Slurm knows why.
    tell "$key" "$name" running "$code" "$started" "$(date +%s.%N)" null
  elif ((code == 0)); then
    tell "$key" "$name" passed 0 "$started" "$(date +%s.%N)" null
    : >"$here/passed/$key"
  else
    tell "$key" "$name" failed "$code" "$started" "$(date +%s.%N)" null
    : >"$here/failed/$key"
  fi
  exit "$code"
}

begin() { # KEY DIRECTORY
  %PUBLIC%if [[ -e $2/values.env ]]; then
    # shellcheck source=/dev/null
    source "$2/values.env" "$1"
  fi
  export RUNYARD_INSIDE=1
  exec "$BASH" "$0" "$2"
}
""".strip()

SUBMITTING = r"""
# A job that has been submitted: its key and Slurm's number of it.
submitted() {
  printf '%s %s\n' "$1" "$2" >>"$here/submitted"
  [[ ! $interrupted ]] || give_up 'interrupted'
}

refused() { # NAME
  give_up "sbatch refused job $1"
}

# Half a pipeline is of no use.
give_up() { # WHY
  local number cluster cancelled='' left=''
  trap '' INT TERM HUP
  while IFS=' ;' read -r _ number cluster; do
    if scancel ${cluster:+"--clusters=$cluster"} "$number"; then
      cancelled+=" $number"
    else
      left+=" $number"
    fi
  done <"$here/submitted"
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
rm -f -- "$here/submitted" "$here/verdicts.json"
: >"$here/submitted"
declare -f tell record begin >"$here/record.sh"
chmod 700 -- "$here/record.sh"
interrupted=''
trap 'interrupted=1' INT TERM HUP
logs=${here//%/%%}/logs # for sbatch % has a meaning
batch=(--ignore-pbs --kill-on-invalid-dep=yes /dev/stdin "$here")
""".strip()

END = r"""
tell_all submitted
echo "### %TOTAL% submitted to Slurm"
""".strip()


def render(layout: Layout) -> Rendering:
    """The script, and the file of values if there are any."""
    spec = layout.spec
    how = "Submits them to Slurm. Each tells of itself in passed/, failed/, status/ and logs/ beside this script."
    public = "".join(f"{line}\n  " for line in bash.public(spec))
    parts = [
        bash.heading(bash.title(spec), how) + "# shellcheck disable=SC2016\nset -u",
        HERE,
        TELLING,
        JOB_SIDE.replace("%PUBLIC%", public),
        SUBMITTING,
        ANEW,
        BEGIN,
        *_jobs(layout),
        END.replace("%TOTAL%", f"{len(spec.jobs)} job{'' if len(spec.jobs) == 1 else 's'}"),
    ]
    files = [ScriptFile(layout.script(), "\n\n".join(parts) + "\n")]
    if bash.has_values(spec):
        files.append(bash.values_file(layout))
    return Rendering(tuple(files))


def _jobs(layout: Layout) -> Iterator[str]:
    spec, keys = layout.spec, layout.keys
    jobs = {job.name: job for job in spec.jobs}
    order = Graph(spec.needs).order
    variables = {name: f"JOB_{number:03}" for number, name in enumerate(order)}
    for name in order:
        job, variable, key = jobs[name], variables[name], keys[name]
        log = f'--output="$logs/{key}.log"' if job.log else "--output=/dev/null"
        told = f'source "$1/record.sh" || exit; record {key} {bash.json_word(name)} "$1"; shift\n'
        words = ["sbatch", "--parsable", *_options(spec, job, variables), '"${batch[@]}"']
        if "output" not in asked(spec, job):
            words.insert(-1, log)
        yield (
            _submission(variable, words, told + bash.job_text(spec, job))
            + f" || refused {bash.double_quoted(name)}\n"
            + (f'submitted {key} "${variable}"' + (f"; {variable}=${{{variable}%%;*}}" if _clusters(spec, job) else ""))
        )


def _submission(variable: str, words: list[str], text: str) -> str:
    word, document = bash.heredoc(f"#!/usr/bin/env bash\n{text}")
    return f"{variable}=$({' '.join(words)} <<'{word}'\n{document}\n)"


def _options(spec: PipelineSpec, job: PipelineJob, variables: dict[str, str]) -> Iterator[str]:
    """The words for sbatch: the name, whom it waits for, and all that was asked for."""
    yield f"--job-name={bash.double_quoted(job.name)}"
    options = asked(spec, job)
    theirs = options.pop("dependency", "")
    needs = "".join(f":${{{variables[need]}}}" for need in job.needs)
    if needs and theirs:
        yield f'"--dependency=afterok{needs},"{bash.quoted(theirs)}'
    elif needs or theirs:
        yield f'"--dependency=afterok{needs}"' if needs else f"--dependency={bash.quoted(theirs)}"
    for option, value in options.items():
        flag = f"--{option.replace('_', '-')}"
        yield f"{flag}={bash.quoted(value)}" if value else flag


def _clusters(spec: PipelineSpec, job: PipelineJob) -> bool:
    """Whether sbatch says a cluster beside the number."""
    return "clusters" in asked(spec, job)


def readable(spec: PipelineSpec) -> str:
    """What would be submitted, as it could be typed."""
    lines = [bash.heading(bash.title(spec), "Its jobs, each as it is submitted to Slurm.").rstrip()]
    jobs = {job.name: job for job in spec.jobs}
    order = Graph(spec.needs).order
    variables = {name: f"JOB_{number:03}" for number, name in enumerate(order)}
    for number, name in enumerate(order, 1):
        job = jobs[name]
        words = ["sbatch", "--parsable", *_options(spec, job, variables)]
        lines.extend(("#", f"### Command {number} / {len(jobs)} - {name}"))
        lines.append(_submission(variables[name], words, bash.job_text(spec, job)))
    return "\n".join(lines) + "\n"
