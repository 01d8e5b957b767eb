#!/bin/sh
# capfilt.t - the whole line over 1,000 records, one in twenty broken; and in pieces
. "$(dirname "$0")/tap.sh"
. "$top/tests/command/pictures.sh"
blip=$top/tests/golden/blip
export VLM_MODEL="$blip/pretrain.pth"
web 1000 >web.jsonl

vlm-caption --sample --max-length 10 <web.jsonl 2>err1 | vlm-itm 2>err2 | vlm-filter --capfilt --threshold 0.3 --dropped dropped >clean 2>/dev/null
is "$(jq -s '[.[]|select(.error)]|length' clean) $(jq -s '[.[]|select(.error and .reason)]|length' dropped)" '0 50' \
    'every broken picture is dropped with its error'
is "$(cat clean dropped | jq -s '([.[]|select(.error)]|length) * 2 + ([.[]|select(.error|not)]|length)')" 2000 \
    'two texts of every record are kept or dropped: nothing is lost'
is "$(jq -r 'select(.error|not)|.big' clean | sort -u)" "$(echo '{"big":12345678901234567890}' | jq -r .big)" 'other fields stay'
is "$(grep -c 12345678901234567890 clean)" "$(wc -l <clean | tr -d ' ')" '... digit by digit'
is "$(grep -c '^vlm-caption: stdin:[0-9]*7: broken' err1)" 50 'a line on standard error for each broken picture'
sort=$(jq -r '.id' clean | uniq | sort -nc 2>&1 && echo sorted)
is "$sort" sorted 'in the order of the input'

# BLIP-2: ten captions, ranked by CLIP beside the web text; the best two stay
head -n 40 web.jsonl >some.jsonl
vlm-caption -q -m "$blip/hf-caption" --sample -n 10 <some.jsonl |
    jq -c 'select(.error | not) | .candidates = [.text] + .captions' |
    vlm-sim -q -m "$top/tests/golden/clip/hf-vit" --text-field candidates >ranked
jq -c '.text = [[.sim, .candidates] | transpose | sort_by(-.[0])[:2][][1]]
       | del(.candidates, .captions, .sim, .logprob)' ranked >best
is "$(jq -s 'length' best)" 38 'BLIP-2: every good picture keeps its best texts'
is "$(jq -s 'map((.candidates | length) == 11 and (.sim | length) == 11) | all' ranked)" true '... of eleven'
is "$(jq -s --slurpfile r ranked '[range(length) as $i | .[$i].text as $t | ($r[$i].candidates | map(. as $c | select($t | index([$c]) | not))) as $left
    | [$r[$i] | [.sim, .candidates] | transpose[]] as $all | ($t | map(. as $x | $all | map(select(.[1] == $x))[0][0]) | min) >=
      ($left | map(. as $x | $all | map(select(.[1] == $x))[0][0]) | max // -2)] | all' best)" true '... those that are closest to it'
ok '... and a web text is among them now and then' [ "$(jq -s --slurpfile w some.jsonl '[.[] as $b | $w[] | select(.id == $b.id) | .text as $t | select($b.text | index([$t]))] | length' best)" -gt 0 ]

is "$(printf '%s\n' '{"text":"a\u0000b","caption":"a\ufffdb","itm":0.9,"itm.caption":0.9}' | vlm-filter --capfilt | jq .text | wc -l | tr -d ' ')" \
    2 'texts that differ in a NUL alone both stay'

if command -v parallel >/dev/null; then
    parallel --will-cite --pipepart -a web.jsonl --block 12k -k \
        'vlm-caption -j1 -q --sample --max-length 10 | vlm-itm -j1 -q | vlm-filter -q --capfilt --threshold 0.3' >pieces 2>/dev/null
    same clean pieces 'in pieces, by parallel: the same bytes'
else
    report 0 'in pieces # SKIP no parallel'
fi
finish
