#!/bin/sh
# outcome.t - a failure stays with its record, and nothing is written that was not computed
. "$(dirname "$0")/tap.sh"
. "$top/tests/command/pictures.sh"
golden=$top/tests/golden
picture a.ppm 1
picture b.ppm 2

# long N: a text of N words
long() { awk -v n="$1" 'BEGIN { for (i = 0; i < n; i++) printf "red " }'; }

# neither FILE FIELD: records that have neither the field nor an error
neither() { jq -c "select((.$2 | not) and (.error | not))" "$1" | wc -l; }

for i in 1 2 3 4 5 6; do
    [ $i = 4 ] && words=$(long 60) || words='two cats'
    echo "{\"id\":$i,\"image\":\"a.ppm\",\"ask\":\"$words\",\"text\":\"$words [MASK]\"}"
done >in
sed 4d in >good
vlm-caption -m "$golden/blip/caption.pth" --prompt-field ask in >out 2>err
is $? 0 'a prompt that is too long does not end the run'
is "$(jq -r '.error.stage // "good"' out | tr '\n' ' ')" 'good good good compute good good ' 'it is the error of its record'
sed 4d out >others
vlm-caption -m "$golden/blip/caption.pth" --prompt-field ask good >alone
same others alone 'its neighbours have the bytes that they have without it'
like "$(cat err)" 'in:4: .*leaves no room' 'the line on stderr'
vlm-caption -m "$golden/blip/caption.pth" --prompt-field ask --resume kept in 2>err
vlm-caption -m "$golden/blip/caption.pth" --prompt-field ask --max-length 80 --resume kept --retry-errors in 2>err
is "$(neither kept caption)" 0 '--resume has no record without caption or error'
long 600 >words
jq -c --rawfile w words 'if .id == 4 then .ask = $w | .text = $w + "[MASK]" else . end' in >longer
vlm-caption -q -m "$golden/blip2/hf-opt" --prompt-field ask longer >out
is "$(neither out caption) $(wc -l <out)" '0 6' "BLIP-2's language model"
vlm-caption -q -m "$golden/albef/pretrain.pth" --fill-mask longer >out
is "$(neither out caption) $(jq -r '.error.stage // empty' out)" '0 compute' '--fill-mask'

# a decoder of fewer positions than a caption usually has tokens
cp -R "$golden/blip/hf-caption" short
f=short/model.safetensors
size=$(head -c 8 "$f" | od -An -tu8 | tr -d ' ')
p=text_decoder.bert.embeddings.position_
tail -c +9 "$f" | head -c "$size" | jq -c --arg p "$p" '.[$p + "embeddings.weight"] as $all | ($all.data_offsets[0] + 640) as $last |
    .[$p + "embeddings.weight"] |= (.shape[0] = 10 | .data_offsets[1] = $last) |
    .[$p + "ids"] = ($all | .shape[0] -= 10 | .data_offsets[0] = $last)' | tr -d '\n' >head
(printf "\\$(printf %o $(($(wc -c <head) % 256)))\\$(printf %o $(($(wc -c <head) / 256)))\\0\\0\\0\\0\\0\\0" &&
    cat head && tail -c "+$((size + 9))" "$f") >whole
mv whole "$f"
jq '.text_config.max_position_embeddings = 10' short/config.json >head
mv head short/config.json
vlm-caption -m short a.ppm >out 2>err
is "$? $(jq -r 'has("caption")' out)" '0 true' 'ten positions: captions are as long as they allow'
status 3 '... and more is refused' vlm-caption -m short --max-length 11 a.ppm

for m in blip/caption.pth blip/hf-vqa; do
    echo '{"image":"a.ppm","ask":"two"}' |
        vlm-caption -q -m "$golden/$m" --prompt-field ask --min-length 590 --max-length 600 >out
    is "$? $(wc -l <out)" '3 0' "$m: a text longer than the positions of the decoder is refused before the first record"
done

mkdir maps maps/1-two-cats.png
printf '%s\n' '{"id":1,"image":"a.ppm","text":"two cats"}' '{"id":2,"image":"b.ppm","text":"two cats"}' |
    vlm-itm -q -m "$golden/blip/itm.pth" --heatmap maps >out
is "$? $(jq -r '.error.stage // .heatmap' out | tr '\n' ' ')" '0 heatmap maps/2-two-cats.png ' \
    'a heat map that cannot be written'

mkdir broken
cp "$golden"/blip/hf-caption/* broken
rm -f broken/tokenizer.json
echo garbage >broken/vocab.txt
status 3 'a broken tokenizer is found before the first record' vlm-caption -m broken --resume none a.ppm
ok 'and nothing is written' test ! -e none

echo '{"image":"a.ppm","text":"two cats"}' | vlm-embed -b -m "$golden/blip/hf-itm" --features --image |
    perl -0777 -pe 's/(\xd8\x54\x58.)../$1\x00\x7e/s' | vlm-itm -q -m "$golden/blip/hf-itm" >out
is "$(jq -r .error.code out)" invalid 'features that are not finite are an error'

seq 40 | sed 's/.*/{"x":&}/' >in
status 1 'a run that cannot go on ends' vlm-filter --keep 'x > 3' --dropped /dev/full in
is "$(wc -l <.out | tr -d ' ')" "$(uniq .out | wc -l | tr -d ' ')" 'what leaves before was computed'
finish
