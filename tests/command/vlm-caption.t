#!/bin/sh
# vlm-caption.t - captions: searched, sampled, prompted, answered
. "$(dirname "$0")/tap.sh"
. "$top/tests/command/pictures.sh"
blip=$top/tests/golden/blip
picture a.ppm 1
caption() { vlm-caption -m "$blip/caption.pth" "$@"; }

caption a.ppm >out
like "$(cat out)" '^\{"image":"a.ppm","caption":".*","logprob":-[0-9.]+,"caption_source":"vlm"\}$' 'a caption and its logprob'
like "$(echo '{"image":"a.ppm","text":"web","n":1.10}' | caption)" \
    '^\{"image":"a.ppm","text":"web","n":1.10,"caption":' 'the web text stays'
is "$(echo '{"image":"a.ppm","caption":"web"}' | caption | jq -c '[.caption, has("synthetic"), has("caption_source")]')" \
    '["web",true,false]' 'a caption that came in stays: ours is synthetic'
is "$(echo '{"image":"a.ppm","captions":["web"]}' | caption -n 2 | jq -c '[.captions, (.synthetics | length)]')" \
    '[["web"],2]' '... and so do captions'
is "$(caption a.ppm | caption --beam 1 | jq -c '[.caption_source, has("synthetic")]')" '["vlm",false]' \
    'a second run replaces what the first wrote'
caption -n 3 a.ppm >out
is "$(jq -c '[(.captions|length),(.logprob|length),has("caption")]' out)" '[3,3,false]' '-n 3'
is "$(jq -c '.captions|unique|length' out)" 3 '... three different ones'
is "$(caption --beam 5 -n 2 a.ppm | jq '.captions|length')" 2 'two of five beams'
is "$(vlm-caption -m "$blip/hf-caption" --sample --beam 4 -n 3 --seed 1 a.ppm | jq -c '[(.captions | length), (.logprob | . == (sort | reverse))]')" \
    '[3,true]' '--sample with beams: the best first'
ok 'another --seed draws others' test "$(vlm-caption -m "$blip/hf-caption" --sample --beam 4 --seed 1 a.ppm)" != \
    "$(vlm-caption -m "$blip/hf-caption" --sample --beam 4 --seed 2 a.ppm)"
status 2 '-n above the beams that are drawn' vlm-caption -m "$blip/hf-caption" --sample --beam 2 -n 3 a.ppm
status 3 'a length penalty with one text drawn by itself' vlm-caption -m "$blip/hf-caption" --sample --length-penalty 2 a.ppm
like "$(cat .err)" 'a length penalty acts between beams' '... says why'
is "$(vlm-caption -m "$blip/hf-caption" --beam 4 -n 2 --length-penalty -40 a.ppm | jq -c .captions)" '["",""]' \
    'a length penalty that no text can bear leaves the prompt alone'
status 2 'more captions than beams' vlm-caption -m "$blip/caption.pth" --beam 2 -n 3 a.ppm
is "$(caption --beam 1 --max-length 6 a.ppm | jq -r '.caption|split(" ")|length <= 2')" true '--max-length counts the prompt'
a=$(caption --sample --seed 1 a.ppm)
is "$a" "$(caption --sample --seed 1 a.ppm)" 'the same seed draws the same'
ok 'another seed draws another' test "$a" != "$(caption --sample --seed 2 a.ppm)"
is "$(caption --sample -n 12 a.ppm | jq '.captions|length')" 12 'many samples'
is "$(caption --sample --top-k 1 a.ppm | jq -r .caption)" "$(caption --sample --top-k 1 --seed 9 a.ppm | jq -r .caption)" \
    'one word to draw from leaves no chance'

word=$(caption a.ppm | jq -r '.caption|split(" ")[0]')
is "$(caption --reject "nothing|$word" a.ppm | jq -c .caption)" null '--reject'
ok 'a prompt changes the caption' test "$(caption --prompt 'two cats' a.ppm | jq -r .caption)" != "$(caption a.ppm | jq -r .caption)"
is "$(printf '%s\n' '{"image":"a.ppm","p":"two cats"}' '{"image":"a.ppm"}' | caption --prompt-field p 2>/dev/null | jq -c .error.code)" \
    'null
"no_prompt"' '--prompt-field'
like "$(echo '{"image":"a.ppm","question":"how many cats"}' | vlm-caption -m "$blip/vqa.pth" --prompt-field question)" '"caption":"' 'a question is answered'
jq -nc '{image: "a.ppm", question: [range(700)] | join(" ")}' >long
printf 'yes\nno\n' >choices
for how in '--max-length 5' '--answers choices'; do
    is "$(vlm-caption -m "$blip/vqa.pth" --prompt-field question $how long | jq -c .truncated)" true "a question that is cut is told: $how"
done
status 2 'a model that answers wants a question' vlm-caption -m "$blip/vqa.pth" a.ppm
is "$(vlm-caption -m "$blip/pretrain.pth" --max-length 30 a.ppm | jq .caption)" "$(vlm-caption -m "$blip/pretrain.pth" a.ppm | jq .caption)" \
    "captions of the original files end at [SEP]"
like "$(vlm-caption -m "$blip/hf-caption" a.ppm)" '"caption":"' 'a folder of Hugging Face'
ok '--compat writes otherwise' test "$(caption --compat hf a.ppm)" != "$(caption a.ppm)"
status 3 'a matcher cannot write' vlm-caption -m "$blip/itm.pth" a.ppm
status 1 'a full disk' sh -c "vlm-caption -m $blip/caption.pth a.ppm >/dev/full"
is "$(caption </dev/null)" '' 'empty input'

vlm-embed -m "$blip/caption.pth" --features -b a.ppm | caption >out
is "$(jq -r .caption out)" "$(caption a.ppm | jq -r .caption)" 'features that came with the record, of a captioner too'

web 40 >web.jsonl
for how in '' --sample; do
    caption $how --threads 1 --batch 1 web.jsonl >a 2>/dev/null
    for t in 2 3; do
        caption $how --threads $t --batch 7 web.jsonl >b 2>/dev/null
        same a b "same bytes with $t threads, batches of 7 $how"
    done
    caption $how --batch 32 web.jsonl >b 2>/dev/null
    same a b "... and batches of 32 $how"
    head -n 17 a >part
    printf '{"id":18,"im' >>part
    caption $how --resume part web.jsonl 2>/dev/null
    same a part "... and resumed behind a torn record $how"
done
is "$(jq -s '[.[]|select(.error)]|length' a)" 2 'broken pictures leave with their errors'
finish
