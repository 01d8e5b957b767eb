#!/bin/sh
# manual.t - the examples of the manual pages are run
#
# A literal block behind the comment .\" test holds commands ("$ " begins one, "> " goes on with it)
# and what they print.  They run with bash in a folder with photo.jpg, other.jpg and records.jsonl,
# with a small random model: tests/golden/clip/hf-vit, or the one that follows the word test.
#
# A block behind .\" runs is a script whose output nobody can know: it must succeed and write something.
# It runs beside web.jsonl and small random models under the names of the released files.
. "$(dirname "$0")/tap.sh"
. "$top/tests/command/pictures.sh"

# blocks PAGE: one file a block, block.1 ...
blocks() {
    awk '
        /^\.\\" test/ { wanted = 1; model = $3 ? $3 : "clip/hf-vit" }
        /^\.Bd -literal/ && wanted { inside = 1; print model > ("../model." ++n); next }
        /^\.Ed/ { inside = wanted = 0 }
        inside {
            gsub(/\\\(aq/, "\047"); gsub(/\\-/, "-"); gsub(/\\&/, ""); gsub(/\\e/, "\\")
            print > ("../block." n)
        }' "$1"
}

# scripts PAGE: one file a script, script.1 ...
scripts() {
    awk '
        /^\.\\" runs/ { wanted = 1 }
        /^\.Bd -literal/ && wanted { inside = 1; print model > ("../model." ++n); next }
        /^\.Ed/ { inside = wanted = 0 }
        inside { gsub(/\\\(aq/, "\047"); gsub(/\\-/, "-"); gsub(/\\&/, ""); gsub(/\\e/, "\\"); print > ("script." n) }
    ' "$1"
}

# released: tiny models under the released files' names
released() {
    golden=$top/tests/golden
    ln -s "$golden/blip/caption.pth" model_base_caption_capfilt_large.pth
    ln -s "$golden/blip/itm.pth" model_base_retrieval_coco.pth
    ln -s "$golden/blip/vocab.txt" vocab.txt
    ln -s "$golden/blip/hf-caption" blip-large
    ln -s "$golden/clip/hf-vit" clip-vit-large-patch14
    ln -s "$golden/clip/hf-vit" clip-vit-large-patch14-336
}

for page in "$top"/man/*.[157]; do
    mkdir run
    cd run || exit 1
    released
    picture a.jpg 1
    picture b.jpg 2
    printf '%s\n' '{"id":1,"image":"a.jpg","text":"a red dog"}' '{"id":2,"image":"b.jpg","text":"two cats"}' >web.jsonl
    scripts "$page"
    n=1
    while [ -f script.$n ]; do
        VLM_MODEL=$top/tests/golden/blip/pretrain.pth bash -o pipefail script.$n >../got 2>../errors &&
            [ -s ../got ] || { [ -e clean.jsonl ] && jq -s . clean.jsonl >../got; }
        report $? "${page##*/}, script $n runs" || sed 's/^/# /' ../errors ../got | head -n 8
        n=$((n + 1))
    done
    cd ..
    rm -rf run
done

for page in "$top"/man/*.[157]; do
    mkdir run
    cd run || exit 1
    cp "$top/tests/golden/clip/picture.png" photo.jpg
    cp "$top/tests/command/good/rgb.png" other.jpg 2>/dev/null ||
        printf 'P6 2 2 255\n\001\002\003\377\377\377\010\020\030\377\001\001' >other.jpg
    printf '%s\n' '{"id":1,"image":"photo.jpg","text":"a dog"}' \
        '{"id":2,"image":"other.jpg","text":"a cat"}' \
        '{"id":3,"image":"photo.jpg","text":"a bicycle"}' >records.jsonl
    blocks "$page"
    n=1
    while [ -f ../block.$n ]; do
        sed -n 's/^[$>] //p' ../block.$n >../script
        grep -v '^[$>] ' ../block.$n >../wanted
        VLM_MODEL="$top/tests/golden/$(cat ../model.$n)" bash ../script >../got 2>../errors
        is "$(cat ../got)" "$(cat ../wanted)" "${page##*/}, example $n"
        [ -s ../errors ] && sed 's/^/# /' ../errors | head -n 5
        n=$((n + 1))
    done
    cd ..
    rm -rf run block.* model.*
done
finish
