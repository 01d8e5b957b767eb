#!/bin/sh
# library.t - a program of somebody else's links -lvlm: the example of vlm.h, from where it is installed
. "$(dirname "$0")/tap.sh"

(cd "$top" && make -s install BUILD="${BUILD:-build}" PREFIX="$work/root") >.out 2>&1 ||
    { report 1 'installs'; sed 's/^/# /' .out; }
{
    echo '#include <stdio.h>'
    echo '#include <stdlib.h>'
    echo '#include <vlm.h>'
    # the names that the library must leave to its users
    for name in warn add rows fail scale; do echo "int $name(void);int $name(void){return 0;}"; done
    echo 'static char bytes[1 << 16]; int main(int argc, char **argv) {'
    echo 'FILE *f = fopen(argv[argc - 1], "rb"); size_t size = f ? fread(bytes, 1, sizeof bytes, f) : 0;'
    sed -n '1,/\*\//s/^ \*     //p' "$top/lib/vlm.h" | sed '/vlm_close/i\
printf("%d %.4f %s\\n", vlm_width(m), vector[0], vlm_error());' | sed "s|\"clip-[^\"]*\"|argv[1]|"
    echo 'return 0; }'
} >example.c
sanitize=
case $build in *-san*) sanitize='-fsanitize=address,undefined' ;;
*-coverage*) sanitize=--coverage ;; esac
export PKG_CONFIG_PATH="$work/root/lib/pkgconfig"
ok 'the example of vlm.h compiles and links' ${CC:-cc} -std=c11 $sanitize -o example example.c \
    $(pkg-config --cflags --libs vlm)
model=$top/tests/golden/clip/hf-vit
picture=$top/tests/model/pictures/$(ls "$top/tests/model/pictures" | grep -m 1 png)
unset CC
ASAN_OPTIONS=detect_leaks=0 ./example "$model" "$picture" >got 2>.err
is "$(cut -d ' ' -f 1,2 got)" "$(vlm-embed -m "$model" "$picture" |
    jq -r '"\(.image_embedding | length) \(.image_embedding[0] * 10000 | round / 10000)"')" 'it embeds as vlm-embed does'
finish
