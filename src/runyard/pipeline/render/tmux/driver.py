"""The scripts that run a pipeline in tmux: a driver, which starts a session for each worker and one for a coordinator.

They need bash 5 and tmux, and nothing else. The coordinator knows the graph; workers tell it through the pipe
`wire/news` ("WORKER here PID BORN", "WORKER ended CODE"), and it tells a worker of its next job through
the worker's own pipe ("KEY LOG DEVICES NAME"). When the coordinator has gone a worker reads the end of that pipe, and
goes too. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator

from runyard.errors import InvalidSpec
from runyard.pipeline.graph import Graph
from runyard.pipeline.layout import Layout, Rendering, ScriptFile
from runyard.pipeline.render import bash
from runyard.pipeline.render.recording import (
    BORN,
    CLAIM,
    HERE,
    HERE_TOLD,
    RUN,
    SKIPPING,
    TELL,
    TELLING,
    UNDISTURBED,
    anew,
    running,
)
from runyard.pipeline.render.tmux.coordinator import COORDINATOR
from runyard.pipeline.render.tmux.worker import ENVIRONMENT, SURROUNDINGS, WORKER
from runyard.pipeline.spec import PipelineJob, PipelineSpec, slug

MARK = "@runyard_pipeline"
"""The option of a session of ours; its value is the path of the run's manifest."""

DRIVER = r"""
session=%SESSION%
printf -v session '%s-%04x%04x' "$session" "$RANDOM" "$$"
onfail=keep onexit=kill
for word; do
  case $word in
    onfail=kill | onfail=keep | onfail=capture) onfail=${word#*=} ;;
    onexit=kill | onexit=keep | onexit=capture) onexit=${word#*=} ;;
    *)
      echo "usage: ${0##*/} [onfail=keep|kill|capture] [onexit=kill|keep|capture]" >&2
      exit 64
      ;;
  esac
done
""".strip()

SESSIONS = r"""
mkfifo -m 600 -- "$here"/wire/{started,news%WIRES%} || exit
(umask 077 && printf '%s\n' "$surroundings" >"$here/environment.env") || exit

# End the sessions of this directory. Others, of whatever name, are not ours.
end_sessions() {
  local each mark
  while IFS=: read -r each mark; do
    [[ $mark != "$here/pipeline.json" ]] || tmux kill-session -t "=$each"
  done < <(tmux -u list-sessions -F "#{session_name}:#{%MARK%}" 2>/dev/null)
}

give_up() { # MESSAGE
  end_sessions
  echo "$1" >&2
  exit 1
}

# A session that runs a script of this directory.
open_session() { # NAME SCRIPT, its arguments
  local each=$1 script=$2
  shift 2
  tmux new-session -d -s "$each" -x 200 -y 50 "$BASH" "$here/$script" "$@" \; \
    set-option -t "=$each:" %MARK% "$here/pipeline.json" \; \
    set-option -t "=$each:" destroy-unattached off \; \
    set-option -w -t "=$each:" remain-on-exit off
}

end_sessions
exec {started}<>"$here/wire/started"

# A server that has lost its last session is ending, and refuses; another one starts when it has gone.
for ((tries = 1; tries <= 50; tries++)); do
  patience_s=0.1
  complaint=$(open_session "$session" coordinator.sh "$session" "$((claim + 1))" 2>&1) && patience_s=20
  if read -rt "$patience_s" -u "$started"; then
    came=yes
    break
  fi
  [[ $patience_s == 0.1 ]] || break
done
[[ ${came-} ]] || give_up "the coordinator did not start: ${complaint:-bash refuses}"
for ((worker = 0; worker < %WORKERS%; worker++)); do
  if ! complaint=$(open_session "$session-$worker" worker.sh "$worker" "$session" "$onfail" "$onexit" 2>&1); then
    # where the coordinator is through, the other workers have done it all
    ! holds "$((claim + 1))" || give_up "tmux refuses the session $session-$worker: $complaint"
    break
  fi
done
%LOOK%
""".strip()

LOOK = 'echo "### $session: look at a worker with: tmux attach -t =$session-0"'
NO_LOOK = 'echo "### $session: there is nothing to do"'


def render(layout: Layout) -> Rendering:
    """The driver, what it starts, and a script for each job. InvalidSpec: more devices are wanted than there are."""
    spec = layout.spec
    _check_devices(spec)
    files = [
        ScriptFile(layout.script(), _driver(layout)),
        ScriptFile(layout.at("coordinator.sh"), _coordinator(layout)),
        ScriptFile(layout.at("worker.sh"), _worker(spec)),
    ]
    for job in spec.jobs:
        files.append(ScriptFile(layout.job_script(job.name), "#!/usr/bin/env bash\n" + bash.job_text(spec, job)))
    if bash.has_values(spec):
        files.append(bash.values_file(layout))
    return Rendering(tuple(files))


def workers(spec: PipelineSpec) -> int:
    """How many there are: never more than jobs."""
    return min(spec.workers, len(spec.jobs))


def _driver(layout: Layout) -> str:
    spec = layout.spec
    count = workers(spec)
    how = (
        f"Starts {count} worker{'' if count == 1 else 's'} and a coordinator in tmux sessions; jobs/ has the commands."
    )
    text = SESSIONS.replace("%WIRES%", "".join(f",{worker}" for worker in range(count)))
    text = text.replace("%MARK%", MARK).replace("%WORKERS%", str(count)).replace("%LOOK%", LOOK if count else NO_LOOK)
    parts = [
        bash.heading(bash.title(spec), how) + ENVIRONMENT,
        UNDISTURBED,
        DRIVER.replace("%SESSION%", slug(spec.name).replace(".", "_")),
        HERE,
        BORN,
        CLAIM,
        anew("sessions", "captured", "wire"),
        text,
    ]
    return "\n\n".join(parts) + "\n"


def _coordinator(layout: Layout) -> str:
    spec = layout.spec
    devices = " ".join(map(bash.double_quoted, spec.gpus))
    shares = " ".join(f'"{share}"' for share in _shares(spec))
    known = f"total={len(spec.jobs)} workers={workers(spec)} devices=({devices}) shares=({shares})"
    text = COORDINATOR.replace("%KNOWN%", known).replace("%JOBS%", "\n".join(_jobs(layout)))
    return _text(spec, "The coordinator: it knows who needs whom.", HERE_TOLD, TELLING, SKIPPING, text)


def _worker(spec: PipelineSpec) -> str:
    public = "".join(f"  {line}\n" for line in bash.public(spec))
    how = "A worker: it runs the jobs that the coordinator sends it."
    return _text(spec, how, HERE_TOLD, BORN, TELL, running(SURROUNDINGS.replace("%RUN%", RUN) + public), WORKER)


def _text(spec: PipelineSpec, how: str, *parts: str) -> str:
    return "\n\n".join((bash.heading(bash.title(spec), how) + UNDISTURBED, *parts)) + "\n"


def _jobs(layout: Layout) -> Iterator[str]:
    keys, graph = layout.keys, Graph(layout.spec.needs)
    numbers = {job.name: str(number) for number, job in enumerate(layout.spec.jobs, 1)}
    for job in layout.spec.jobs:
        words = [keys[job.name], bash.json_word(job.name), "log" if job.log else "''", _wanted(layout.spec, job)]
        dependants = " ".join(numbers[other] for other in graph.dependants[job.name])
        yield " ".join(("job", *words, str(len(graph.needs[job.name])), *([f'"{dependants}"'] if dependants else [])))


def _wanted(spec: PipelineSpec, job: PipelineJob) -> str:
    """How many devices are its own; `-` none, but it shares those of its worker."""
    return "-" if job.gpus is None or not spec.gpus else str(job.gpus)


def _shares(spec: PipelineSpec) -> list[str]:
    """The numbers of the devices of each worker: all are spread, or one is shared by some."""
    count, devices = workers(spec), len(spec.gpus)
    if not devices:
        return []
    return [
        " ".join(str(device) for device in range(worker, devices, count)) or str(worker % devices)
        for worker in range(count)
    ]


def _check_devices(spec: PipelineSpec) -> None:
    for device in spec.gpus:
        if not device.isprintable() or " " in device:
            raise InvalidSpec(f"{device!r} is no device: a number or an identity, please", "gpus")
    for job in spec.jobs:
        if spec.gpus and (job.gpus or 0) > len(spec.gpus):
            raise InvalidSpec(
                f"job {job.name!r} wants {job.gpus} devices, and the pipeline has {len(spec.gpus)}: "
                f"{', '.join(spec.gpus)}",
                "gpus",
            )
