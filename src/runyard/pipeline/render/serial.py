"""One bash script that runs a pipeline, one job after the other. It needs bash 5 and nothing else. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from runyard.pipeline.layout import Layout, Rendering, ScriptFile
from runyard.pipeline.render import bash
from runyard.pipeline.render.recording import ANEW, HERE, RUN, SKIPPING, SURROUNDINGS, TELLING, UNDISTURBED, running

JOB = r"""
total=%TOTAL% number=0 passed=0 failed=0 skipped=0 interrupted=
declare -A names=()
trap 'interrupted=130' INT
trap 'interrupted=143' TERM
trap 'interrupted=129' HUP

# The next job: its key, its name, whether its output is kept, the keys of those that it needs. Its text is its input.
job() {
  local key=$1 name=$2 log=$3 text need missed=''
  shift 3
  [[ ! $interrupted ]] || return 0
  IFS= read -rd '' text
  number=$((number + 1)) names[$key]=$name
  for need; do
    [[ -e $here/passed/$need ]] || missed=${missed:-$need}
  done
  if [[ $missed ]]; then
    skipped=$((skipped + 1))
    skip "$key" "$name"
    echo "### $number / $total $name: skipped, since ${names[$missed]} did not pass"
    return
  fi
  echo "### $number / $total $name"
  if ((${#text} < 30000)); then
    run_job "$key" "$name" "$log" -c "$text" "$key"
  else # an argument must not be too long
    mkdir -p -- "$here/jobs"
    printf %s "$text" >"$here/jobs/$key.sh"
    run_job "$key" "$name" "$log" "$here/jobs/$key.sh"
  fi
  if ((code == 0)); then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    echo "### $number / $total $name: failed (exit code $code)"
  fi
}
""".strip()

END = r"""
if [[ $interrupted ]]; then
  tell_all interrupted
  echo "### interrupted: $passed passed, $failed failed, $skipped skipped, the others were not run"
  exit "$interrupted"
fi
tell_all "done"
echo "### $passed passed, $failed failed, $skipped skipped"
((failed + skipped == 0))
""".strip()


def render(layout: Layout) -> Rendering:
    """The script, and the file of values if there are any."""
    spec = layout.spec
    how = "Runs one job after the other and tells of each in passed/, failed/, skipped/, status/ and logs/ beside it."
    parts = [
        bash.heading(bash.title(spec), how).rstrip(),
        *bash.public(spec),
        SURROUNDINGS,
        UNDISTURBED,
        HERE,
        TELLING,
        SKIPPING,
        running(f'  eval "$surroundings"\n  export {RUN}=$1\n'),
        ANEW,
        JOB.replace("%TOTAL%", str(len(spec.jobs))),
        *_jobs(layout),
        END,
    ]
    files = [ScriptFile(layout.script(), "\n\n".join(parts) + "\n")]
    if bash.has_values(spec):
        files.append(bash.values_file(layout))
    return Rendering(tuple(files))


def _jobs(layout: Layout) -> Iterator[str]:
    spec, keys = layout.spec, layout.keys
    for job in spec.in_order:
        word, text = bash.heredoc(bash.job_text(spec, job))
        words = [
            keys[job.name],
            bash.json_word(job.name),
            "log" if job.log else "''",
            *(keys[need] for need in job.needs),
        ]
        yield f"job {' '.join(words)} <<'{word}'\n{text}"
