# shellcheck shell=bash
# The steps of ./test: what they print, count and take, one after another, several at a time, or in the background.
#
# A step records what came of it in a file of its own, as it may run in a process of its own; `report` adds them up.

record=$work/record/main         # where the step that runs now records
log=$work/log/main               # what it prints, where that is looked at
job=                             # the background job that this process is
declare -A background=()         # the processes of the jobs that were begun
mkdir -p "$work"/{record,log,done}

note() { echo "$1 $2" >>"$record"; } # passed N, failed N, failure TEXT, skip TEXT, took SECONDS CPU NAME

fail() {
    note failed 1
    note failure "$1"
    echo "FAILED: $1"
}

# skip NAME REASON: says and counts what is left out.
skip() {
    echo "skip: $1: $2"
    count_skip "$1: $2"
}

# count_skip NAME: REASON: counts what was said to be left out; CI may leave out only what is listed.
count_skip() {
    note skip "$1"
    if $ci && ! grep -qF -- "${1%%: *}: " tests/skips; then fail "left out, and not listed in tests/skips: $1"; fi
}

# count_skips: counts the lines `skip: …` of the log.
count_skips() {
    local line
    while IFS= read -r line; do count_skip "${line#skip: }"; done < <(grep -ao 'skip: .*' "$log")
}

# cpu: seconds that the processes which this one waited for have computed, into $computed.
cpu() {
    times >"$log.times"
    computed=$(awk 'NR == 2 { split($1 "m" $2, part, /[ms]+/); print part[1] * 60 + part[2] + part[3] * 60 + part[4] }' \
        "$log.times")
}

# begin NAME, end NAME [RESULT]: around a step. The table at the end has what lies in between.
begin() {
    echo "== $1"
    cpu
    begun_at=$EPOCHREALTIME begun_cpu=$computed
}
end() {
    local took
    cpu
    took=$(awk -v from="$begun_at" -v to="$EPOCHREALTIME" -v before="$begun_cpu" -v after="$computed" \
        'BEGIN { printf "%.0f %.0f", to - from, after - before }')
    note took "$took $1${job:+, beside}"
    echo "== $1: ${2:+$2, }${took% *} s"
}

# step NAME COMMAND…: what succeeds or fails as a whole.
step() {
    local name=$1 result=fine
    shift
    begin "$name"
    if ! "$@"; then
        fail "$name"
        result=failed
    fi
    end "$name" "$result"
}

# tests NAME COMMAND…: a `cargo test`, whose results are added up.
tests() {
    local name=$1 good bad status
    shift
    begin "$name"
    "$@" 2>&1 | tee "$log"
    status=${PIPESTATUS[0]}
    read -r good bad < <(awk '
        /^test result: / { good += $4; bad += $6 }
        END { print good + 0, bad + 0 }' "$log")
    note passed "$good"
    note failed "$bad"
    sed -n 's/^test \(.*\) \.\.\. FAILED$/failure \1/p' "$log" >>"$record"
    if [ "$status" -ne 0 ] && [ "$bad" -eq 0 ]; then fail "$name"; fi
    count_skips
    end "$name" "$good passed, $bad failed"
}

# has WHAT COMMAND…: whether an optional part of the toolchain is there; CI must have it.
has() {
    local what=$1
    shift
    if "$@" >"$log" 2>&1; then return 0; fi
    skip "$what" "it is not installed"
    return 1
}

# head_of SCRIPT WORD: what stands behind `# WORD: ` in its head.
head_of() { sed -n "s/^# $2: //p" "$1"; }

# suite SCRIPT: programs of others. A line `# needs: PROGRAM…` of the script says what must be there; the last
# line that it prints is `N … passed, M failed`.
suite() {
    local script=$1 good bad status need missing=false
    for need in $(head_of "$script" needs); do
        has "\`$need\`, for $script," command -v "$need" || missing=true
    done
    if $missing; then return; fi
    begin "$script"
    "$script" 2>&1 | tee "$log"
    status=${PIPESTATUS[0]}
    read -r good bad < <(awk '
        /^[0-9]+ .*passed, [0-9]+ failed/ { good = $1; for (i = 3; i <= NF; i++) if ($i ~ /^failed/) bad = $(i - 1) }
        END { print good + 0, bad + 0 }' "$log")
    note passed "$good"
    note failed "$bad"
    if [ "$bad" -gt 0 ]; then note failure "$bad of $script"; fi
    if [ "$status" -ne 0 ] && [ "$bad" -eq 0 ]; then fail "$script"; fi
    count_skips
    end "$script" "$good passed, $bad failed"
}

# several MOST KIND NAME…: `KIND NAME` for each name, so many at a time; what one prints is kept apart until it ends.
several() {
    local most=$1 kind=$2 name file ended
    local -A running=()
    shift 2
    for name in "$@" ''; do
        # Not just any process: jobs in the background go on. The last, empty name waits for all.
        while [ "${#running[@]}" -ge "$most" ] || { [ -z "$name" ] && [ "${#running[@]}" -gt 0 ]; }; do
            wait -n -p ended "${!running[@]}"
            unset "running[$ended]"
        done
        [ -n "$name" ] || break
        file=${name//\//-}
        (
            record=$work/record/$file log=$work/log/$file
            trap - EXIT
            "$kind" "$name" >"$log.shown" 2>&1
            flock "$work/shown" cat "$log.shown"
        ) &
        running[$!]=$name
    done
}

# beside JOB FUNCTION: runs it in a process of its own, whose steps are shown by `join`.
beside() {
    set -m # in a group of its own, so that all of it can be ended
    (
        job=$1 record=$work/record/$1 log=$work/log/$1
        trap - EXIT
        "$2"
    ) >"$work/log/$1.shown" 2>&1 &
    background[$1]=$!
    set +m
}

# when_idle: from now on, this process and those it starts compute when nothing else does.
when_idle() { chrt --idle --pid 0 "$BASHPID" || renice -n 19 -p "$BASHPID"; }

# reached MARK: what a job says once something is there; await JOB MARK: waits for that, or for the job's end.
reached() { touch "$work/done/$1"; }
await() {
    while [ ! -e "$work/done/$2" ] && kill -0 "${background[$1]}" 2>/dev/null; do sleep 0.2; done
    [ -e "$work/done/$2" ]
}

# join JOB: waits until it ends, and shows what it printed.
join() {
    wait "${background[$1]}"
    unset "background[$1]"
    cat "$work/log/$1.shown"
}

# leave: ends what still runs.
leave() {
    local name
    for name in "${!background[@]}"; do kill -- "-${background[$name]}" 2>/dev/null; done
}

# report: the steps and what they took, longest first, what failed or was left out, and the sums as the last line.
report() {
    local passed failed skipped
    echo "== steps: seconds, of computing, name; those beside ran while others did"
    sed -n 's/^took //p' "$work"/record/* | sort -k1,1nr | awk '{ printf "%6d %6d  ", $1, $2; $1 = $2 = ""; print substr($0, 3) }'
    echo "== all: $SECONDS s"
    read -r passed failed skipped < <(cat "$work"/record/* | awk '
        $1 == "passed" { passed += $2 }
        $1 == "failed" { failed += $2 }
        $1 == "skip" { skipped++ }
        END { print passed + 0, failed + 0, skipped + 0 }')
    sed -n 's/^skip /skipped: /p' "$work"/record/*
    sed -n 's/^failure /FAILED: /p' "$work"/record/*
    echo "$passed passed, $failed failed, $skipped skipped"
    [ "$failed" -eq 0 ]
}
