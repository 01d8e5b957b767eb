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
check "$lines" 'no file is longer than 500 lines'
check "$structs" 'no struct has more than 25 fields'
check "$parameters" 'no function outside kernels has more than 6 parameters'
check "$(echo "$house" | awk '/^comments/ && $2 < 11 || /^median/ && $2 < 11 || /^ninetieth/ && $2 < 23')" \
    "lib and cmd: $(echo $house)"
echo "1..$count"
exit $failed
