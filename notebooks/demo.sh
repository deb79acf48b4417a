#!/bin/sh
# Indexes the sample folder and asks it three questions.
set -eu
samples="$(dirname "$0")/samples"
index="$(dirname "$0")/../build/demo-index"
rm -rf "$index"

show() {
    printf '\n$ lateral'
    for word in "$@"; do case $word in *' '*) printf ' "%s"' "$word" ;; *) printf ' %s' "$word" ;; esac; done
    printf '\n'
    lateral "$@" --index "$index"
}

show add "$samples"
show ask "How many drops of 6% bleach make 20 litres of clear water safe?"
show ask "Which filters remove nitrate from a farm well?"
show ask "How long should I wait before testing a flooded well after chlorinating it?"
