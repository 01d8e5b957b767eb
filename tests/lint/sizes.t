#!/bin/sh
# sizes.t - files, structs, parameter lists and functions stay within the house's sizes
cd "$(dirname "$0")/../.." || exit 1
count=0
failed=0
check() { # PROBLEMS NAME
    count=$((count + 1))
    if [ -z "$1" ]; then
        echo "ok $count - $2"
    else
        echo "not ok $count - $2"
        echo "$1" | sed 's/^/# /'
        failed=1
    fi
}
figures=$(find lib cmd tests -name '*.[ch]' | sort | xargs perl tests/lint/sizes.pl)
house=$(find lib cmd -name '*.[ch]' | sort | xargs perl tests/lint/sizes.pl | tail -n 3)
# over AWK-CONDITION: "KIND NAME" of each that is over; files by their path
over() {
    echo "$figures" | awk "$1"' { print $1, $1 == "file" ? $2 : $3 }' | sort -u
}
lines=$(over '$1 == "file" && $3 > 500')
structs=$(over '$1 == "struct" && $4 > 25')
parameters=$(over '$1 == "function" && $4 > 6 && $2 !~ /^lib\/kernel\//')
# largest KIND COLUMN [PATTERN]: "NUMBER NAME" of the largest, paths that match the pattern left out
largest() {
    echo "$figures" | awk -v kind="$1" -v column="$2" -v not="${3:-^$}" '$1 == kind && $2 !~ not && $column > most {
        most = $column; name = kind == "file" ? $2 : $3 " (" $2 ")" } END { print most, name }'
}
echo "# longest file, in lines: $(largest file 3)"
echo "# largest struct, in fields: $(largest struct 4)"
echo "# most parameters outside kernels: $(largest function 4 '^lib/kernel/')"
echo "# lib and cmd: $(echo "$house" | awk '/^comments/ { print $2 "% of lines have comments," } /^median/ { print "functions have a median of", $2 }
    /^ninetieth/ { print "lines, and nine of ten at most", $2 }' | tr '\n' ' ')"
check "$lines" 'no file is longer than 500 lines'
check "$structs" 'no struct has more than 25 fields'
check "$parameters" 'no function outside kernels has more than 6 parameters'
check "$(echo "$house" | awk '/^comments/ && $2 < 12 || /^median/ && $2 < 11 || /^ninetieth/ && $2 < 23')" \
    'comments are 12% of lines, and functions are not cut shorter than they were'
echo "1..$count"
exit $failed
