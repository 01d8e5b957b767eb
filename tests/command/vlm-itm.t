#!/bin/sh
# vlm-itm.t - scores of every text against one pass over the image
. "$(dirname "$0")/tap.sh"
. "$top/tests/command/pictures.sh"
blip=$top/tests/golden/blip
picture a.ppm 1
picture b.ppm 2

one='{"id":1,"image":"a.ppm","text":"a red dog","n":1.10}'
echo "$one" | vlm-itm -m "$blip/itm.pth" >out
like "$(cat out)" '^\{"id":1,"image":"a.ppm","text":"a red dog","n":1.10,"itm":0\.[0-9]+,"itm_logit":-?[0-9.]+,"itc":-?0\.[0-9]+\}$' \
    'itm, itm_logit and itc are added, all else passes'
is "$(jq '.itm as $p | .itm_logit as $d | (1 / (1 + (-$d | exp)) - $p) | fabs < 1e-6' out)" true \
    'itm is the logistic function of itm_logit'

echo '{"image":"a.ppm","text":["a red dog","two cats","a red dog"],"caption":"a blue tree"}' |
    vlm-itm -m "$blip/itm.pth" >list
is "$(jq -c '[(.itm|length),(.itc|length),.itm[0]==.itm[2]]' list)" '[3,3,true]' 'a list of texts gets lists'
is "$(jq '.itm[0]' list)" "$(jq '.itm' out)" 'a text scores alike alone and among others'
is "$(echo '{"image":"a.ppm","TEXT":"a red dog","caption":"two cats","caption_source":"vlm"}' | vlm-itm -m "$blip/itm.pth" |
    jq -c '[.itm, has("itm.caption")]')" "[$(jq .itm out),true]" "the web's text has the plain name wherever it is"
is "$(echo '{"image":"a.ppm","caption":"a red dog","synthetic":"two cats"}' | vlm-itm -m "$blip/itm.pth" |
    jq -c '[.itm, has("itm.synthetic")]')" "[$(jq .itm out),true]" 'synthetic is scored beside it'
like "$(cat list)" '"itm.caption":0\.[0-9]+' 'the caption beside a text is scored too'
echo '{"image":"a.ppm","a":"a red dog","b":["two cats"]}' | vlm-itm -m "$blip/itm.pth" --fields a,b,c >fields
is "$(jq -c '[.["itm.a"],(.["itm.b"]|length),has("itm"),has("itm.c")]' fields)" "[$(jq .itm out),1,false,false]" '--fields'

is "$(echo "$one" | vlm-itm -m "$blip/itm.pth" --compat hf | jq '.itm')" \
    "$(echo "$one" | vlm-itm -m "$blip/itm.pth" --compat hf --threads 1 | jq '.itm')" '--compat is heeded alike'
ok '... and changes the score' test "$(echo "$one" | vlm-itm -m "$blip/itm.pth" --compat hf | jq .itm)" != "$(jq .itm out)"
like "$(echo "$one" | vlm-itm -m "$blip/hf-itm")" '"itm":' 'a folder of Hugging Face'
like "$(echo "$one" | vlm-itm -m "$blip/itm.pth" --image-size 32)" '"itm":' 'another image size: positions are resized'
status 3 'an image size that squares do not divide' vlm-itm -m "$blip/itm.pth" --image-size 20
like "$(cat .err)" 'not a multiple of the patch size 8' '... is explained'

status 3 'a captioner cannot match' vlm-itm -m "$blip/caption.pth" a.ppm
like "$(cat .err)" 'cannot match images and texts; it can caption images' '... and says what it can'
status 3 'a model that is not there' vlm-itm -m "$blip/nothing" a.ppm

printf '%s\n' '{"id":1,"image":"a.ppm","text":"x"}' '{"id":2,"image":"none.ppm","text":"x"}' \
    '{"id":3,"image":"a.ppm"}' '{"id":4,"text":"x"}' '{"id":5,' '{"id":6,"image":"b.ppm","text":"x"}' |
    vlm-itm -m "$blip/itm.pth" >out 2>err
is "$(jq -c '[.id,.error.code]' out | tr '\n' ' ')" \
    '[1,null] [2,"not_found"] [3,"no_text"] [4,"no_image"] [null,"invalid_json"] [6,null] ' 'bad records leave in their places'
is "$(grep -c '^vlm-itm: stdin:[2-5]: ' err)" 4 '... with a line each on standard error'

is "$(echo '{"image":"a.ppm","text":["A Red: dog!!","a red dog"]}' | vlm-itm -m "$blip/itm.pth" --clean-text | jq -c '.itm|.[0]==.[1]')" \
    true '--clean-text: as training cleaned captions'

# search
for i in 1 2 3 4 5 6 7 8 9; do picture "q$i.ppm" $i; done
printf 'a red dog\ntwo cats\n' >queries
vlm-itm -m "$blip/itm.pth" --queries queries --rerank 3 q?.ppm none.ppm 2>err >out
is "$(jq -c '[.query,has("itm"),has("itc")]' out | sort | uniq -c | tr -s ' ' | tr '\n' ';')" \
    ' 3 ["a red dog",true,true]; 3 ["two cats",true,true]; 1 [null,false,false];' '--queries --rerank: three for each text'
for i in 1 2 3 4 5 6 7 8 9; do echo "{\"image\":\"q$i.ppm\",\"text\":\"two cats\"}"; done | vlm-itm -m "$blip/itm.pth" >each
is "$(jq -r 'select(.query=="two cats")|.image' out | sort | tr '\n' ' ')" \
    "$(jq -r '"\(.itc) \(.image)"' each | sort -gr | head -n 3 | cut -d' ' -f2 | sort | tr '\n' ' ')" '... those with the highest itc'
is "$(jq -r 'select(.query=="two cats")|"\(.image) \(.itm)"' out | sort)" \
    "$(jq -r '"\(.image) \(.itm)"' each | grep -f $(jq -r 'select(.query=="two cats")|.image' out >names; echo names) | sort)" '... with their itm'
vlm-itm -m "$blip/itm.pth" --queries queries --rerank 3 --batch 2 --threads 1 q?.ppm none.ppm 2>err >b
same out b '... whatever batch and threads'

# features once
web 30 >web.jsonl
vlm-itm -m "$blip/itm.pth" web.jsonl >plain 2>/dev/null
vlm-embed -m "$blip/itm.pth" --features -b web.jsonl 2>/dev/null >features.cbor
vlm-itm -m "$blip/itm.pth" features.cbor 2>/dev/null | jq -c 'del(.image_features,.image_features_tower)' >from
is "$(jq -s 'length' from)" 30 'features feed vlm-itm'
is "$(jq -s --slurpfile p plain '[range(30) as $i | select(($p[$i].itm // 0) - (.[$i].itm // 0) | fabs > 0.01)] | length' from)" 0 \
    '... with the same scores to float16'
vlm-itm -m "$blip/pretrain.pth" features.cbor 2>/dev/null >other
is "$(jq -s '[.[]|select(.error.code=="other_tower")]|length' other)" 28 "... and another tower's are refused"

# BLIP's model for NLVR2: a text about two pictures, the same as the authors' file, a folder, and a file made of it
echo '{"image":["p1.ppm","p2.ppm"],"text":"a red dog"}' >two
vlm-itm -m "$blip/nlvr.pth" two >out
like "$(cat out)" '"itm":0\.[0-9]+,"itm_logit":-?[0-9.]+,"label":"(true|false)","prob":0\.[0-9]+\}$' 'NLVR2: a text about two images'
is "$(jq '(.itm >= 0.5) == (.label == "true")' out)" true '... itm is the probability of true'
ok '... whose order matters' test "$(jq .itm out)" != "$(echo '{"images":["p2.ppm","p1.ppm"],"text":"a red dog"}' | vlm-itm -m "$blip/nlvr.pth" | jq .itm)"
ok '... becomes a folder' vlm-convert "$blip/nlvr.pth" two-images
ok '... and a file again' vlm-convert --to original two-images two-images.pth
is "$(vlm-itm -m two-images two)" "$(cat out)" '... the folder answers the same'
cp "$blip/vocab.txt" .
is "$(vlm-itm -m two-images.pth two)" "$(cat out)" '... the file too'
status 3 '... it has no embeddings' vlm-embed -m "$blip/nlvr.pth" p1.ppm
status 3 '... transformers has no such model' vlm-itm -m two-images --compat hf two
like "$(cat .err)" "transformers has no BLIP for NLVR2" '... which is said'

# the bytes depend on the record alone
vlm-itm -m "$blip/itm.pth" --threads 1 --batch 1 web.jsonl >a 2>/dev/null
for t in 2 3; do
    for b in 7 32; do
        vlm-itm -m "$blip/itm.pth" --threads $t --batch $b web.jsonl >b 2>/dev/null
        same a b "same bytes with $t threads, batches of $b"
    done
done
for i in 1 2 3 4; do vlm-itm -m "$blip/itm.pth" --shard $i/4 web.jsonl 2>/dev/null; done | jq -sc 'sort_by(.id)[]' >b
jq -sc 'sort_by(.id)[]' a >c
same b c 'four shards are the whole'
finish
