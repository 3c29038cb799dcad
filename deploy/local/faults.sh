#!/usr/bin/env bash
# faults.sh LOG...: writes the table of faults into docs/reliability.md, between its two marks: of each row of
# tests/faults.tsv its tests and what became of them in these logs of test runs (lines `test NAME ... ok`).
# A test that was run several times must have passed each time; what no log has is `not run`.
#
# Owns: what is between the marks. Refuses: to say anything of a test that the logs do not say.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=lib.sh
. "$here/lib.sh"
cd "$here/../.."
doc=docs/reliability.md

[ "$#" -gt 0 ] || die "faults.sh LOG..."
for mark in begin end; do
    grep -qxF "<!-- faults: $mark -->" "$doc" || die "$doc has no line <!-- faults: $mark -->"
done

table=$(awk -F '\t' '
    # What a test prints may stand between its name and its end.
    FILENAME != rows {
        if ($0 ~ /^test [^ ]+ \.\.\. /) {
            split($0, words, " ")
            last = words[2]
        }
        # With --report-time its seconds follow.
        sub(/ <[0-9.]+s>$/, "")
        if ($0 ~ /(^| )(ok|FAILED)$/ && last != "") {
            runs[last]++
            if ($0 ~ /FAILED$/) broken[last]++
            last = ""
        }
        next
    }
    {
        count = split($4, tests, " ")
        shown = ""
        row = "passed"
        for (i = 1; i <= count; i++) {
            all = bad = 0
            for (name in runs) {
                if (name == tests[i] || index(name, tests[i] "::") == 1) {
                    all++
                    if (broken[name]) bad++
                }
            }
            result = all == 0 ? "not run" : bad > 0 ? "FAILED" : all > 1 ? "passed on " all : "passed"
            if (bad > 0) row = "**FAILED**"
            else if (all == 0 && row == "passed") row = "not run"
            shown = shown (shown == "" ? "" : "<br>") "`" tests[i] "`" (result == "passed" ? "" : " (" result ")")
        }
        printf "| %s | %s | %s | %s | %s |\n", $1, $2, $3, shown, row
    }
' rows=tests/faults.tsv "$@" tests/faults.tsv)

new=$(mktemp)
trap 'rm -f "$new"' EXIT
{
    sed -n '1,/^<!-- faults: begin -->$/p' "$doc"
    printf '| # | fault | what must happen | tests | result |\n| --- | --- | --- | --- | --- |\n%s\n' "$table"
    sed -n '/^<!-- faults: end -->$/,$p' "$doc"
} >"$new"
cat "$new" >"$doc"
