"""A DAG file for Airflow, and the script that runs it once with a database of its own. Pure.

The DAG file can go into any Airflow's folder of DAGs: each task runs its command in a bash of its own, tells of itself
in files of the run's directory (as `recording` does), and prints to Airflow's log. No text of a command is a template.
The script takes nothing of the Airflow that its caller may have set up: neither its database nor its settings.
"""

from __future__ import annotations

from collections.abc import Iterator

from runyard import __version__
from runyard.pipeline.layout import KINDS, Layout, Rendering, ScriptFile
from runyard.pipeline.render import bash
from runyard.pipeline.render.recording import ANEW, HERE, RECORDING, RUN, SURROUNDINGS, UNDISTURBED
from runyard.pipeline.spec import PipelineSpec, slug

RUN_SCRIPT = "run.sh"
"""What the script is called that runs the DAG file once."""

OPERATOR = '''
import codecs
import contextlib
import json
import os
import pathlib
import signal
import subprocess
import tempfile
import time
from datetime import datetime, timezone

from airflow import DAG

try:
    from airflow.sdk import BaseOperator
except ImportError:  # Airflow 2
    from airflow.models import BaseOperator

HERE = pathlib.Path(%DIRECTORY%)
LOOK_S = 0.2
PIECE = 65536
VALUES = 'values=$1; shift; if [ -e "$values" ]; then . "$values" "$1"; fi; exec bash -c "$2" "$1"'


class Job(BaseOperator):
    """One command, in a bash of its own."""

    def __init__(self, *, name, text, log=True, **options):
        super().__init__(**options)
        self.title, self.text, self.log_kept = name, text, log

    def tell(self, status, ret=None, started=None, ended=None):
        told = {"name": self.title, "status": status, "ret": ret, "started": started, "ended": ended}
        for kind in %KINDS%:
            (HERE / kind).mkdir(mode=0o700, exist_ok=True)
        (HERE / "status" / f"{self.task_id}.json").write_text(json.dumps(told))
        if status in ("passed", "failed"):
            (HERE / status / self.task_id).touch()

    def execute(self, context):
        started = time.time()
        self.tell("running", started=started)
        argv = ["bash", "-c", VALUES, "bash", str(HERE / "values.env"), self.task_id, self.text]
        code = self.run(argv)
        self.tell("failed" if code else "passed", code, started, time.time())
        if code:
            raise RuntimeError(f"exit code {code}")

    def run(self, argv):
        """The exit code. What it prints goes to a file, and from there to Airflow's log: what the command leaves behind
        may go on printing there, but is not waited for."""
        log = open(HERE / "logs" / f"{self.task_id}.log", "w+b") if self.log_kept else tempfile.TemporaryFile()
        pipes = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": subprocess.STDOUT}
        decoder, at = codecs.getincrementaldecoder("utf-8")("replace"), 0
        with log, subprocess.Popen(argv, start_new_session=True, **pipes) as self.process:
            over = False
            while not over:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self.process.wait(LOOK_S)
                over, end = self.process.returncode is not None, os.fstat(log.fileno()).st_size
                while at < end and (piece := os.pread(log.fileno(), min(PIECE, end - at), at)):
                    at += len(piece)
                    print(decoder.decode(piece), end="", flush=True)
        print(flush=True)
        return self.process.returncode if self.process.returncode >= 0 else 128 - self.process.returncode

    def on_kill(self):
        os.killpg(self.process.pid, signal.SIGTERM)
'''.strip()

ONCE = r"""
airflow() ( # its arguments
  set -- "$here" "${RUNYARD_AIRFLOW:-airflow}" "$@" # a variable may be called as one of ours
  eval "$surroundings"
  unset -v "${!AIRFLOW@}"
  export %RUN%=$1
  export AIRFLOW_HOME=$1/airflow
  export AIRFLOW__CORE__DAGS_FOLDER=$1
  export AIRFLOW__CORE__LOAD_EXAMPLES=False
  export AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=sqlite:///$1/airflow/airflow.db
  exec "${@:2}"
)

(umask 077 && : >"$here/airflow.log")
[[ -d $here/airflow ]] || mkdir -m 700 -- "$here/airflow"
if [[ ! -e $here/airflow/airflow.db ]]; then
  airflow db migrate >>"$here/airflow.log" 2>&1 || exit
fi
airflow dags test %DAG% >>"$here/airflow.log" 2>&1
tell_all "done"
read -ra bad < <(cd -- "$here/failed" && echo *)
[[ ${bad[*]} == '*' ]]
""".strip()


def render(layout: Layout) -> Rendering:
    """The DAG file, the script that runs it, and the file of values if there are any."""
    files = [ScriptFile(layout.script(".py"), dag(layout)), ScriptFile(layout.at(RUN_SCRIPT), _script(layout))]
    if bash.has_values(layout.spec):
        files.append(bash.values_file(layout))
    return Rendering(tuple(files))


def dag(layout: Layout) -> str:
    """The text of the DAG file."""
    spec = layout.spec
    head = f"# Written by runyard {__version__}: {bash.title(spec)}. Each task tells of itself in files below HERE."
    operator = OPERATOR.replace("%DIRECTORY%", repr(layout.directory)).replace("%KINDS%", repr(KINDS))
    return "\n\n".join((head, operator)) + "\n\n\n" + "\n".join(_tasks(layout)) + "\n"


def dag_id(spec: PipelineSpec) -> str:
    """What Airflow calls the pipeline: it allows letters, digits and `_.-`."""
    return slug(spec.name)


def _tasks(layout: Layout) -> Iterator[str]:
    spec, keys = layout.spec, layout.keys
    yield "dag = DAG("
    yield f"    {dag_id(spec)!r},"
    yield "    schedule=None,"
    yield "    start_date=datetime(2020, 1, 1, tzinfo=timezone.utc),"
    yield f"    max_active_tasks={spec.workers},"
    yield '    default_args={"retries": 0},'
    yield ")"
    yield "jobs = {}"
    public = "".join(f"{line}\n" for line in bash.public(spec))
    order = spec.in_order
    for job in order:
        text = public + bash.job_text(spec, job)
        kept = "" if job.log else ", log=False"
        yield f"jobs[{job.name!r}] = Job("
        yield f"    task_id={keys[job.name]!r}, name={job.name!r}, dag=dag{kept},"
        yield f"    text={text!r},"
        yield ")"
    for job in order:
        yield from (f"jobs[{job.name!r}].set_upstream(jobs[{need!r}])" for need in job.needs)


def _script(layout: Layout) -> str:
    how = "Runs the DAG file beside it once, with a database of its own; needs Airflow."
    parts = (
        bash.heading(bash.title(layout.spec), how) + SURROUNDINGS,
        UNDISTURBED,
        HERE,
        RECORDING,
        ANEW,
        ONCE.replace("%RUN%", RUN).replace("%DAG%", bash.quoted(dag_id(layout.spec))),
    )
    return "\n\n".join(parts) + "\n"
