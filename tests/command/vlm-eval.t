#!/bin/sh
# vlm-eval.t - every task, what it refuses, and the COCO toolkit's own scores
. "$(dirname "$0")/tap.sh"

# measured RECORDS OPTIONS: the object without its first fields
measured() {
    printf '%s\n' "$1" >in
    shift
    vlm-eval "$@" in 2>err | sed 's/"task":"[a-z]*",//; s/,"units":"[^"]*"//'
}
# near FILE WANTED NAME: every member of WANTED, a JSON object, is in FILE to 1e-6
near() {
    is "$(jq -c --argjson wanted "$2" '. as $got | $wanted | to_entries | map(select(
        ($got[.key] // 1e9) - .value | fabs > 1e-6) | {(.key): $got[.key]}) | add' "$1")" null "$3"
}

gunzip -c "$top/tests/golden/eval/captions.jsonl.gz" >captions
vlm-eval --task caption captions >got
near got "$(jq .split "$top/tests/golden/eval/scores.json")" 'captions as the COCO toolkit scores them'
vlm-eval --task caption --tokenized captions >got
near got "$(jq .given "$top/tests/golden/eval/scores.json")" '... and with words given'
is "$(jq -r '[.records, .failed, .references] | @tsv' got)" "600	0	1879" 'how many'
for way in --threads=1 --threads=3 --batch=1; do
    vlm-eval --task caption --tokenized "$way" captions >other
    same got other "$way: the same"
done
jq -c '{annotations: map(. as $i | .references[] | {image_id: $i.id, caption: .}),
        images: map({id, file_name: "\(.id).jpg"})}' -s captions >coco.json
jq -c 'map({image_id: .id, caption})' -s captions >results.json
jq -c '{images: map({cocoid: .id, filename: "\(.id).jpg", split: (if .id < 400 then "test" else "train" end),
        sentences: (.references | map({raw: .}))})}' -s captions >karpathy.json
jq -c 'map({image: "val/\(.id).jpg", caption: .references})' -s captions >blip.json
scores() { jq -c 'del(.images_without_caption, .records, .failed)' "$1"; }
vlm-eval --task caption captions >wanted
vlm-eval --task caption --references coco.json --results results.json >got </dev/null
is "$(scores got)" "$(scores wanted)" 'COCO annotations and results'
is "$(jq -c '[.records, .failed, .images_without_caption]' got)" '[600,0,0]' '... all of them'
jq -c '{id, caption}' captions >plain
vlm-eval --task caption --references coco.json plain >got
is "$(scores got)" "$(scores wanted)" 'COCO annotations for records'
jq -c '{image: "some/where/\(.id).jpg", id: (.id + 1), caption}' captions >named
for file in coco karpathy blip; do
    vlm-eval --task caption --references $file.json named >got
    is "$(scores got)" "$(scores wanted)" "$file.json for records with images"
done
jq -c '{key: .id, caption}' captions >keyed
vlm-eval --task caption --references karpathy.json --id-field key keyed >got
is "$(scores got)" "$(scores wanted)" '--id-field'
head -n 300 captions | vlm-eval --task caption >wanted
head -n 300 plain | vlm-eval --task caption --references karpathy.json --split test >got
is "$(scores got)" "$(scores wanted)" '--split, and references without a caption do not count'
is "$(jq .images_without_caption got)" 100 '... but are told'
printf '%s\n' '[{"image_id":0,"caption":"a"},{"image_id":0,"caption":"b"},{"image_id":"x","caption":"c"}]' >some.json
vlm-eval --task caption --references coco.json --results some.json >got 2>err
is "$(jq -c '[.records, .failed]' got)" '[1,2]' 'results that are not usable'
is "$(cat err)" 'vlm-eval: some.json: image_id 0: its image has a caption already
vlm-eval: some.json: image_id x: its image is not among the references' '... are named'
status 1 '... or end it' vlm-eval --task caption --references coco.json --results some.json --on-error fail
is "$(cat .out)" '' '... without an object'
for bad in '{}' '[]' '[1]' '{"images":[{"sentences":[]}]}' '{"annotations":[{"caption":"a"}]}' \
    '{"annotations":[{"image_id":1}]}' '[{"image":"a","caption":[]}]' '[{"image":"a","caption":1}]' 'x'; do
    echo "$bad" >bad.json
    status 1 "references that are none: $bad" vlm-eval --task caption --references bad.json /dev/null
done
for bad in '{}' '[{}]' '[{"image_id":1}]'; do
    echo "$bad" >bad.json
    status 1 "results that are none: $bad" vlm-eval --task caption --references coco.json --results bad.json
done
is "$(measured '{"caption":"a b","references":["a b","c"]}
{"caption":"b","captions":"c"}
{"text":"b"}
{"caption":["a","b"],"text":"c"}
{"caption":"b"}
{"caption":"b","references":[]}
{"caption":"b","references":[1]}
{"error":{"stage":"decode"}}
no record' -t caption | jq -c '[.records, .failed]')" '[2,7]' 'records that lack a caption or references'
is "$(sed -n 's/^vlm-eval: in:\([0-9]*\): /\1 /p' err)" '3 no field caption
4 field caption holds 2 captions: one is measured
5 no references
6 no references
7 field references is neither a string nor a list of strings
9 not a JSON object: no opening brace at byte 0' '... are named'
is "$(measured '{"c":["a b c d"],"r":"a b c d"}' -t caption -f c --truth r | jq .bleu_4)" 1 '--field and --truth'

is "$(measured '{"image_embedding":[1,0],"text_embedding":[[4,3],[0,1]]}
{"image_embedding":[0,2],"text_embedding":[1,1]}' -t retrieval)" \
    '{"records":2,"failed":0,"images":2,"texts":3,"text_recall_1":0.5,"text_recall_5":1,"text_recall_10":1,"image_recall_1":0.33333334,"image_recall_5":1,"image_recall_10":1,"recall_mean":0.8055556}' \
    'retrieval: image 1 finds its text, text 1 its image; of equals the first'
is "$(measured '{"image":"a","image_embedding":[1,0],"text_embedding":[4,3]}
{"image":"a","image_embedding":[1,0],"text_embedding":[0,1]}
{"image":"b","text_embedding":[1,1]}
{"image":"b","image_embedding":[0,2]}' -t retrieval --id-field image | jq -c '[.images, .texts, .recall_mean]')" \
    '[2,3,0.8055556]' '... of pairs, with --id-field'
is "$(measured '{"image_embedding":[1,0],"text_embedding":[1,0]}
{"image_embedding":[1,0]}
{"image_embedding":[1,0],"text_embedding":[1,0,0]}
{"image_embedding":[1,0,0],"text_embedding":[1,0,0]}
{"image_embedding":[0,0],"text_embedding":[1,0]}
{"image_embedding":[[0,1],[1,0]],"text_embedding":[1,0]}' -t retrieval | jq -c '[.records, .failed]')" '[1,5]' \
    'vectors that are not usable'
is "$(grep -c '^vlm-eval: in:[2-6]: ' err)" 5 '... are named'
is "$(measured '{"query":"a","text":"b"}
{"query":"a","text":["c","a"]}
{"query":"b","text":"b"}
{"query":"b","text":"a"}
{"query":"c","text":"a"}' -t retrieval --ranked)" \
    '{"records":5,"failed":0,"queries":3,"image_recall_1":0.33333334,"image_recall_5":0.6666667,"image_recall_10":0.6666667}' \
    'answers to queries'
awk 'BEGIN { srand(5); for (i = 0; i < 700; i++) { printf "{\"image_embedding\":["
    for (k = 0; k < 12; k++) { v[k] = rand() - 0.5; printf "%s%f", k ? "," : "", v[k] }
    printf "],\"text_embedding\":[["
    for (t = 0; t < 5; t++) { for (k = 0; k < 12; k++) printf "%s%f", k ? "," : "", v[k] + (rand() - 0.5) * 0.8
        printf t < 4 ? "],[" : "]]}\n" } } }' >vectors
vlm-eval -t retrieval --threads 1 vectors >got
like "$(cat got)" '"images":700,"texts":3500,.*"text_recall_1":0\.[3-9]' 'many'
vlm-eval -t retrieval --threads 3 --batch 5 vectors >other
same got other '... the same whatever threads and batch'

is "$(measured '{"label":"cat","truth":"cat"}
{"label":"dog","truth":"cat"}
{"label":"3","truth":3}
{"label":"cat"}
{"truth":"cat"}
{"label":["cat"],"truth":"cat"}' -t classify)" \
    '{"records":3,"failed":3,"classes":2,"accuracy":0.6666667,"mean_per_class":0.75}' 'classes'
is "$(sed -n 's/^vlm-eval: in:\([0-9]*\): /\1 /p' err)" '4 no field truth
5 no field label
6 field label is neither a string nor a number' '... and what is named'
is "$(measured '{"l":"a","t":"a"}' -t classify --field l --truth t | jq .accuracy)" 1 '--field and --truth'

is "$(measured '{"itm":0.9,"truth":true}
{"itm":[0.5,0.2],"truth":[1,true]}
{"itm":0.5,"truth":false}
{"itm":0.1,"truth":0}
{"itm":0.1}
{"itm":"x","truth":1}
{"itm":0.1,"truth":2}
{"itm":[0.1],"truth":[1,0]}' -t itm)" \
    '{"records":4,"failed":4,"true":3,"false":2,"accuracy":0.6,"auc":0.75}' 'matching: equals count half'
is "$(sed -n 's/^vlm-eval: in:\([0-9]*\): /\1 /p' err)" '5 no field truth
6 a score is no number
7 what is true is none of true, false, 1 and 0
8 fewer scores than truths' '... and what is named'
is "$(measured '{"itm":0.9,"truth":true}' -t itm --threshold 0.95 | jq -c '[.accuracy,.auc]')" '[0,null]' \
    '--threshold; nothing false has no AUC'

for task in retrieval classify caption itm; do
    status 0 "$task of nothing" vlm-eval --task $task /dev/null
    is "$(jq -c '[.task, .records, .failed, ([.. | nulls] | length > 0)]' .out)" "[\"$task\",0,0,true]" '... is null'
    is "$(vlm-eval --task $task -b /dev/null | vlm-filter)" "$(cat .out)" "$task: --binary"
done
status 2 'no task' vlm-eval /dev/null
status 2 'a task that is none' vlm-eval --task=guess /dev/null
for mistake in '-t itm --references x' '-t caption --results x' '-t caption --split x' '-t itm --id-field x' \
    '-t caption --ranked' '-t retrieval --truth x' '-t caption --resume out' \
    '-t caption --references coco.json --truth x' '-t caption --references coco.json --results results.json captions'; do
    # shellcheck disable=SC2086
    status 2 "a mistake: $mistake" vlm-eval $mistake
done
printf '%s\n' '{"itm":1,"truth":1}' 'no' 'no' '{"itm":0,"truth":0}' >in
status 0 'as many errors as are allowed' vlm-eval -t itm --max-errors 2 in
status 1 'one more' vlm-eval -t itm --max-errors 1 in
is "$(cat .out)" '' '... writes no object'
status 1 '--on-error=fail' vlm-eval -t itm --on-error fail in
status 1 'a full disk' sh -c 'vlm-eval -t itm in >/dev/full'
ok '--output' vlm-eval -t itm -o object in
is "$(jq -c '[.records, .failed, .auc]' object)" '[2,2,1]' '... writes the object there'
is "$(printf '%s\n' '{"id":1,"image_embedding":[1,0],"text_embedding":[1,0]}' |
    vlm-sim | vlm-eval -t retrieval | jq .recall_mean)" 1 'at the end of a pipeline'
is "$(printf '%s\n' '{"text":"a","ranked":["a","b"]}' '{"text":["b","c"],"ranked":["x","y","c","b"]}' '{"text":"d","ranked":["x"]}' \
    '{"ranked":["x"]}' | vlm-eval --task retrieval --ranked -q | jq -c '[.records,.failed,.images,.text_recall_1,.text_recall_5]')" \
    '[3,1,3,0.33333334,0.6666667]' '--ranked: texts for images'
finish
