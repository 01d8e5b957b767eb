#!/bin/sh
# sizes.t - files, structs, parameter lists and functions stay within the house's sizes
#
# What is over a limit still is counted below, and mended later: the numbers only fall.
files_later=4
structs_later=1
functions_later=26
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
within() { # LIST NUMBER: the list, if it is longer
    [ "$(echo "$1" | grep -c .)" -le "$2" ] || echo "$1"
}
check "$(within "$lines" $files_later)" 'no file is longer than 500 lines'
check "$(within "$structs" $structs_later)" 'no struct has more than 25 fields'
check "$(within "$parameters" $functions_later)" 'no function outside kernels has more than 6 parameters'
echo "# over the limits: $(echo "$lines" | grep -c .) files, $(echo "$structs" | grep -c .) structs, $(echo "$parameters" | grep -c .) functions"
check "$(echo "$house" | awk '/^comments/ && $2 < 10 || /^median/ && $2 < 11 || /^ninetieth/ && $2 < 23')" \
    "lib and cmd: $(echo $house)"
echo "1..$count"
exit $failed
