#!/bin/sh
# symbols.t - libvlm.a is one object, and a program that links it sees the names of vlm.h alone
top=$(cd "$(dirname "$0")/../.." && pwd)
build=${BUILD:-build}
case $build in /*) ;; *) build=$top/$build ;; esac
library=$build/libvlm.a
count=0
failed=0
check() { # PROBLEMS NAME
    count=$((count + 1))
    if [ -z "$1" ]; then
        echo "ok $count - $2"
    else
        echo "not ok $count - $2"
        echo "$1" | head -n 20 | sed 's/^/# /'
        failed=1
    fi
}
shown=$(nm -g --defined-only "$library" 2>&1 | awk 'NF == 3 { print $3 }' | sort)
declared=$(grep -oE '\bvlm_[a-z_]+\(' "$top/lib/vlm.h" | tr -d '(' | sort -u)
echo "# libvlm.a shows $(echo "$shown" | grep -c .) names, $(echo "$shown" | grep -c '^vlm_') of them vlm_*"
check "$([ "$(ar t "$library" | wc -l)" = 1 ] || ar t "$library")" 'one object'
check "$(echo "$shown" | grep -v '^vlm_')" 'no global symbol but vlm_*'
check "$(echo "$shown" | grep -vxF -e "$declared")" 'each is declared in vlm.h'
check "$(echo "$declared" | grep -vxF -e "$shown")" 'each function of vlm.h is there'
echo "1..$count"
exit $failed
