#!/bin/sh
# provenance.t - how results were made stands in the record, and a mixture is refused
. "$(dirname "$0")/tap.sh"
. "$top/tests/command/pictures.sh"
for i in 1 2 3; do
    picture p$i.ppm $i
    echo "{\"id\":$i,\"image\":\"p$i.ppm\",\"text\":\"a red dog\"}"
done >in
version=$(vlm-sim --version | sed 's/.* //')
itm=$top/tests/golden/blip/itm.pth

vlm-itm -m "$itm" --provenance in >one
is "$(jq -c '.provenance[0] | [.command, .vlm, (.model | length), .precision, .options]' one | sort -u)" \
    "[\"vlm-itm\",\"$version\",16,\"highest\",[]]" 'program, version, model, precision and options'
vlm-itm -m "$itm" in >plain
is "$(jq -c 'del(.provenance)' one)" "$(cat plain)" 'and nothing else is changed'
model=$(jq -r '.provenance[0].model' one | head -n 1)
vlm-itm -m "$itm" --resume out in
is "$(head -n 1 out.vlm | jq -r .model)" "$model" 'the model is that of OUT.vlm'

for i in 1 2 3; do vlm-itm -m "$itm" --provenance --shard=$i/3 --batch 2 -j1 --root . --max-pixels 1000000 in; done | sort >parts
sort one >sorted
same parts sorted 'parts, batches, threads and folders make no difference'
vlm-itm -m "$itm" --provenance -b in | vlm-filter | jq -c .provenance >binary
is "$(cat binary)" "$(jq -c .provenance one)" 'nor does the form'
vlm-itm -m "$itm" --provenance one >again
is "$(jq -c .provenance again)" "$(jq -c .provenance one)" 'the same run over its own output adds nothing'
vlm-itm -m "$itm" --provenance --image-size 32 one >other
is "$(jq -c '[.provenance[].options]' other | sort -u)" '[[],["--image-size=32"]]' 'another run adds an entry'
vlm-itm -m "$itm" --provenance in | vlm-embed --provenance --text -m "$top/tests/golden/clip/hf-vit" >list
is "$(jq -c '[.provenance[].command]' list | sort -u)" '["vlm-itm","vlm-embed"]' 'a pipeline leaves a list in its order'
echo '{"text":"a dog","provenance":{"from":"crawl 7"}}' | vlm-embed --text --provenance -m "$top/tests/golden/clip/hf-vit" >kept
is "$(jq -c '.provenance | [length, .[0], .[1].command]' kept)" '[2,{"from":"crawl 7"},"vlm-embed"]' 'what came under that name stays'
vlm-embed -q --image --provenance none.ppm p1.ppm -m "$top/tests/golden/clip/hf-vit" >mixed
is "$(jq -c 'has("provenance")' mixed | tr '\n' ' ')" 'false true ' 'a record that failed has none'
v='"image_embedding":[1,0]'
printf '%s\n' "{$v,\"text_embedding\":[0.6,0.8]}" '{"image":"p1.ppm","text":"a dog"}' | vlm-sim --provenance >sims
is "$(jq -c '.provenance[0].model | type' sims | tr '\n' ' ')" '"null" "string" ' 'vectors that came along need no model'
status 2 'no records are written: refused' vlm-embed --image --npy x.npy --provenance in
vlm-itm -m "$itm" --provenance --resume cut in
head -n 2 cut >half
head -c 600 half >cut
rm cut.vlm
ok 'an output with it is resumed by comparison' vlm-itm -q -m "$itm" --provenance --resume cut in
same cut one '... and is the same'

# a mixture
status 0 'records that were made alike' vlm-filter --require-provenance one
same .out one '... leave as they came'
status 1 'records of two runs' vlm-filter --require-provenance -o refused one other
like "$(cat .err)" 'other:1: made otherwise than the first record' '... are refused, and the first other one is named'
ok '... no output appears' test ! -e refused
status 1 'records without provenance' vlm-filter --require-provenance plain
like "$(cat .err)" 'plain:1: no provenance' '... too'
status 1 '... behind some that have it' vlm-filter --require-provenance one plain
status 0 'an error has none, and does not matter' vlm-filter --require-provenance mixed
jq -c '.provenance |= [{from: "'$$'"}] + .' one | sed '1s/from/source/' >notes
status 0 'what is not ours is not compared' vlm-filter --require-provenance notes
status 2 'not with --resume' vlm-filter --require-provenance --resume x one
finish
