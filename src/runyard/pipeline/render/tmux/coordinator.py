"""The bash of the coordinator of a tmux pipeline: who is ready, which worker is free, which devices are. Pure.

Jobs are numbered by their place in the pipeline. A job is ready when all that it needs have passed, and ready ones are
handed out in the order of submission. Those that ask for devices keep that order among themselves: none overtakes one
that waits for devices, so that none waits for ever; others do. `driver` puts in the graph.
"""

from __future__ import annotations

COORDINATOR = r"""
session=$1
%KNOWN%

# Of each job, by its number.
keys=() names=() logs=() wants=() asks=() missing=() ready=() over=() dependants=()
# KEY NAME LOG, how many devices are its own (-: it shares), how many it needs, the numbers of those that need it
job() {
  local number=$((10#${1%%-*}))
  keys[number]=$1 names[number]=$2 logs[number]=$3 wants[number]=$4
  if ((${#devices[@]})) && [[ $4 != 0 ]]; then asks[number]=1; else asks[number]=0; fi
  missing[number]=$5 ready[number]=$(($5 == 0)) over[number]=0 dependants[number]=${6-}
}

# Of each worker, by its number: its process, the job that it runs, whether it is free.
pids=() births=() running=() idle=() given=()

# Of each device, by its number: how many jobs share it, whether one has it alone.
shared=() owned=()
for at in "${!devices[@]}"; do
  shared[at]=0 owned[at]=0
done

left=$total passed=0 failed=0 skipped=0 lowest=(1 1)

be_ready() { # NUMBER
  local number=$1 kind=${asks[$1]}
  ready[number]=1
  if ((number < lowest[kind])); then
    lowest[kind]=$number
  fi
}

# The first that is ready of those that ask for devices (1) or do not (0): in `first`, beyond all if there is none.
find_first() { # KIND
  local kind=$1
  first=${lowest[kind]}
  while ((first <= total && (ready[first] == 0 || asks[first] != kind))); do
    first=$((first + 1))
  done
  lowest[kind]=$first
}

# A free worker for a job and devices for it, in `worker` and `numbers`; 1 if the devices are not free.
find_place() { # NUMBER
  local device found=0 wanted=${wants[$1]}
  numbers=''
  if [[ ${#devices[@]} == 0 || $wanted == 0 ]]; then
    for worker in "${!idle[@]}"; do
      return 0
    done
  elif [[ $wanted == - ]]; then
    for worker in "${!idle[@]}"; do
      for device in ${shares[worker]}; do
        ((owned[device] == 0)) || continue 2
      done
      numbers=${shares[worker]}
      return 0
    done
    return 1
  fi
  for device in "${!devices[@]}"; do
    if ((found < wanted && shared[device] == 0 && owned[device] == 0)); then
      found=$((found + 1))
      numbers+=" $device"
    fi
  done
  for worker in "${!idle[@]}"; do
    break
  done
  ((found == wanted))
}

# Tell a worker to run a job.
send() { # NUMBER
  local device visible='' told=-
  for device in $numbers; do
    visible+=,${devices[device]}
    if [[ ${wants[$1]} == - ]]; then
      shared[device]=$((shared[device] + 1))
    else
      owned[device]=1
    fi
  done
  [[ ${#devices[@]} == 0 ]] || told="=${visible#,}"
  given[worker]=$numbers running[worker]=$1 ready[$1]=0
  unset -v "idle[worker]"
  echo "${keys[$1]} ${logs[$1]:--} $told ${names[$1]}" >&"${orders[worker]}"
}

# Hand out what is ready, as long as a worker is free.
hand_out() {
  local first plain asking next worker numbers blocked=''
  while ((${#idle[@]})); do
    find_first 0
    plain=$first asking=$((total + 1))
    if [[ ! $blocked ]]; then
      find_first 1
      asking=$first
    fi
    next=$((plain < asking ? plain : asking))
    ((next <= total)) || return
    if find_place "$next"; then
      send "$next"
    else
      blocked=yes
    fi
  done
}

# A worker has no job any more, and its devices are free.
let_go() { # WORKER
  local device number=${running[$1]}
  for device in ${given[$1]}; do
    if [[ ${wants[number]} == - ]]; then
      shared[device]=$((shared[device] - 1))
    else
      owned[device]=0
    fi
  done
  unset -v "running[$1]"
}

# A job has passed: some may be ready.
pass() { # NUMBER
  local other
  over[$1]=1 left=$((left - 1)) passed=$((passed + 1))
  for other in ${dependants[$1]-}; do
    missing[other]=$((missing[other] - 1))
    ((missing[other] > 0 || over[other])) || be_ready "$other"
  done
}

# A job has failed: all that need it, and all that need those, are skipped.
fail() { # NUMBER CODE
  local number other
  local -a gone=("$1")
  over[$1]=1 left=$((left - 1)) failed=$((failed + 1))
  echo "### ${names[$1]}: failed (exit code $2)"
  while ((${#gone[@]})); do
    number=${gone[-1]}
    unset -v "gone[-1]"
    for other in ${dependants[number]-}; do
      ((over[other] == 0)) || continue
      over[other]=1 left=$((left - 1)) skipped=$((skipped + 1))
      skip "${keys[other]}" "${names[other]}"
      echo "### ${names[other]}: skipped, since ${names[number]} did not pass"
      gone+=("$other")
    done
  done
}

# A worker has gone. What it ran has failed, unless it has told otherwise.
lose() { # WORKER
  local number=${running[$1]-} key
  unset -v "pids[$1]" "idle[$1]"
  [[ $number ]] || return 0
  key=${keys[number]}
  let_go "$1"
  if [[ -e $here/passed/$key ]]; then
    pass "$number"
    return
  fi
  if [[ ! -e $here/failed/$key ]]; then
    tell "$key" "${names[number]}" failed null null "$EPOCHREALTIME"
    : >"$here/failed/$key"
  fi
  fail "$number" unknown
}

# Whether a process lives, and is the one that was born then.
lives() { # PID BORN
  local stat
  { read -r stat <"/proc/$1/stat"; } 2>/dev/null || return
  read -ra stat <<<"${stat##*) }"
  [[ ${stat[0]} != [ZX] && ${stat[19]} == "$2" ]]
}

# Who was killed cannot tell: look.
look() {
  local worker
  looked=$SECONDS
  for worker in "${!pids[@]}"; do
    lives "${pids[worker]}" "${births[worker]}" || lose "$worker"
  done
  # all have gone, or none came
  ((${#pids[@]} || (came < workers && SECONDS < 20))) || end
}

# Tell how it ended, and go: workers read the end of their pipes then.
end() {
  if ((left)); then tell_all interrupted; else tell_all "done"; fi
  echo "### $passed passed, $failed failed, $skipped skipped, $left left"
  exit 0
}

trap end HUP INT TERM
exec {news}<>"$here/wire/news"
orders=()
for ((at = 0; at < workers; at++)); do
  exec {order}<>"$here/wire/$at"
  orders[at]=$order
done
umask 077
printf '%s\n' "${TMUX%,*,*}" "$session" >"$here/server"
ln -s -- "$$ $(born "$$")" "$here/claims/$2" || exit # the driver's, who goes
tell_all running
echo here >"$here/wire/started" # workers may come, while the graph is read
looked=$SECONDS came=0 made=1

%JOBS%

# To make a file takes half as long as to start a program: it is done ahead, while nobody waits.
make_ahead() {
  while ((made <= total)) && ! read -rt 0 -u "$news"; do
    : >>"$here/status/${keys[made]}.json"
    : >>"$here/sessions/${keys[made]}"
    made=$((made + 1))
  done
}

while ((left)); do
  make_ahead
  if read -rt 1 -u "$news" worker what more; then
    case $what in
      here)
        read -r pid birth <<<"$more"
        pids[worker]=$pid births[worker]=$birth idle[worker]=yes came=$((came + 1))
        ;;
      ended)
        if [[ ${running[worker]-} ]]; then
          number=${running[worker]}
          let_go "$worker"
          idle[worker]=yes
          if ((more == 0)); then pass "$number"; else fail "$number" "$more"; fi
        fi
        ;;
    esac
  fi
  ((SECONDS == looked)) || read -rt 0 -u "$news" || look
  hand_out
done
end
""".strip()
