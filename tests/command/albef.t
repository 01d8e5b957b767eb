#!/bin/sh
# albef.t - ALBEF's files in the filters: what each was made for, and how it reads texts
. "$(dirname "$0")/tap.sh"
. "$top/tests/command/pictures.sh"
albef=$top/tests/golden/albef
picture a.ppm 1
picture b.ppm 2
one='{"id":1,"image":"a.ppm","text":"a red dog","n":1.10}'

for m in pretrain.pth retrieval.pth lavis-retrieval.pt; do
    like "$(echo "$one" | vlm-itm -m "$albef/$m")" \
        '^\{"id":1,"image":"a.ppm","text":"a red dog","n":1.10,"itm":0\.[0-9]+,"itm_logit":-?[0-9.]+,"itc":-?0\.[0-9]+\}$' \
        "$m: itm, itm_logit and itc"
done
like "$(vlm-itm -v -m "$albef/retrieval.pth" a.ppm 2>&1)" 'ALBEF ViT-tiny/8@16, image-text matching, original layout, f32' \
    'it is told what it is'
status 3 'a matcher cannot write' vlm-caption -m "$albef/retrieval.pth" a.ppm

# each tradition's texts
is "$(echo "$one" | vlm-embed --text --text-tokens -m "$albef/pretrain.pth" | jq -c '[.text_tokens,(.text_embedding|length)]')" \
    '[4,12]' 'the original has no [SEP]'
is "$(echo "$one" | vlm-embed --text --text-tokens -m "$albef/lavis-retrieval.pt" | jq .text_tokens)" 5 "LAVIS' texts have one"
long=$(for i in 1 2 3 4 5 6 7 8 9 10; do printf 'a red dog runs '; done)
long="{\"image\":\"a.ppm\",\"text\":\"$long\"}"
is "$(echo "$long" | vlm-embed --text --text-tokens -m "$albef/retrieval.pth" | jq -c '[.text_tokens,.truncated]')" '[30,true]' \
    'texts to be ranked are cut at 30'
is "$(echo "$long" | vlm-embed --text --text-tokens -m "$albef/lavis-retrieval.pt" | jq -c '[.text_tokens,.truncated]')" '[35,true]' \
    "... LAVIS' at 35"
is "$(echo '{"image":"a.ppm","text":["A red-dog (runs)!","a red dog runs"]}' | vlm-itm -m "$albef/retrieval.pth" --clean-text |
    jq -c '.itm|.[0]==.[1]')" true "--clean-text: as ALBEF's training cleaned captions"
# vlm-sim divides by the vectors' lengths, which are 1 but for rounding
is "$({ echo "$one" | vlm-embed -m "$albef/retrieval.pth" | vlm-sim | jq .sim
    echo "$one" | vlm-itm -m "$albef/retrieval.pth" | jq .itc; } |
    jq -s '.[0] - .[1] | fabs < 1e-6')" true 'vlm-sim gives the itc'

# classes
echo '{"image":"a.ppm","text":["a red dog","two cats"],"caption":"a tree"}' | vlm-itm -m "$albef/ve.pth" >out
is "$(jq -c '[(.label|length),(.itm|length),has("itc"),has("label.caption")]' out)" '[2,2,false,true]' 'entailment: label and itm, no itc'
is "$(jq '[.label[],.["label.caption"]]|all(IN("contradiction","neutral","entailment"))' out)" true '... with its names'
is "$(jq '[.itm,.prob,.label]|transpose|all(if .[2]=="entailment" then (.[0]-.[1]|fabs) < 1e-6 else .[0] <= .[1] end)' out)" true \
    '... itm is the probability of entailment'
echo '{"image":["a.ppm","b.ppm"],"text":"a red dog"}' | vlm-itm -m "$albef/nlvr.pth" >out
like "$(cat out)" '"itm":0\.[0-9]+,"itm_logit":-?[0-9.]+,"label":"(true|false)","prob":0\.[0-9]+\}$' 'NLVR2: a text about two images'
is "$(jq '(.itm >= 0.5) == (.label == "true")' out)" true '... itm is the probability of true'
is "$(echo '{"images":["a.ppm","b.ppm"],"text":"a red dog"}' | vlm-itm -m "$albef/nlvr.pth" | jq .itm)" "$(jq .itm out)" '... or in images'
ok '... whose order matters' test "$(jq .itm out)" != "$(echo '{"image":["b.ppm","a.ppm"],"text":"a red dog"}' | vlm-itm -m "$albef/nlvr.pth" | jq .itm)"
printf '%s\n' '{"image":"a.ppm","text":"x"}' '{"image":["a.ppm"],"text":"x"}' '{"image":["a.ppm","none.ppm"],"text":"x"}' \
    '{"image":["a.ppm","b.ppm"],"text":"x"}' | vlm-itm -m "$albef/nlvr.pth" 2>err >out
is "$(jq -c .error.code out | tr '\n' ' ')" '"no_image" "no_image" "not_found" null ' '... one image is too few, a missing one is named'
like "$(cat err)" 'none.ppm: No such file' '... on standard error'
status 3 'a classifier has no embeddings' vlm-embed --image -m "$albef/ve.pth" a.ppm
status 3 '... and does not search' vlm-itm -m "$albef/ve.pth" --queries err a.ppm

# answers
echo '{"image":"a.ppm","question":"what color is the dog"}' >question
like "$(vlm-caption -m "$albef/vqa.pth" --prompt-field question question)" '"caption":".+","logprob":-' 'a question is answered'
like "$(vlm-caption -m "$albef/lavis-vqa.pt" --prompt-field question question)" '"caption":".+","logprob":-' "... by LAVIS' too"

printf '%s\n' red two 'yes no' 'green tree' 'a dog' three no >answers
vlm-caption -m "$albef/vqa.pth" --prompt-field question --answers answers -n 7 question >out
is "$(jq -c '.captions|sort' out)" '["a dog","green tree","no","red","three","two","yes no"]' '--answers: from the list'
is "$(jq '[.prob|length == 7, (add - 1 | fabs) < 1e-5, . == (sort|reverse)]|all' -c out)" true '... their probabilities sum to 1'
is "$(vlm-caption -m "$albef/vqa.pth" --prompt-field question --answers answers --candidates 3 question | jq -c '[.caption,has("logprob","prob")]')" \
    "[$(jq -c '.captions[0]' out),true,true]" '--candidates'
like "$(vlm-caption -m "$top/tests/golden/blip/vqa.pth" --prompt-field question --answers answers question)" '"prob":[01]' "BLIP's too"
status 3 'a captioner has no answers' vlm-caption -m "$top/tests/golden/blip/caption.pth" --answers answers a.ppm
status 2 '--answers and --beam' vlm-caption -m "$albef/vqa.pth" --prompt x --answers answers --beam 2 a.ppm

# masked words
echo '{"image":"a.ppm","text":"A [MASK] dog"}' >masked
vlm-caption -m "$albef/pretrain.pth" --fill-mask masked >out
like "$(jq -r .caption out)" '^A [^ ]+ dog$|^A[a-z0-9]+ dog$' '--fill-mask tells the word, and leaves the text as it is'
vlm-caption -m "$albef/pretrain.pth" --fill-mask -n 5 masked >five
is "$(jq -c '[(.captions|unique|length),.captions[0],(.logprob == (.logprob|sort|reverse))]' five)" "[5,$(jq -c .caption out),true]" '... five, best first'
echo '{"image":"a.ppm","text":"a [MASK] [MASK] runs"}' | vlm-caption -m "$albef/pretrain.pth" --fill-mask -n 9 >out
is "$(jq -c '[(.captions|unique|length),(.captions|any(contains("MASK")))]' out)" '[9,false]' '... two words'
is "$(printf '%s\n' '{"image":"a.ppm","text":"a dog"}' '{"image":"a.ppm"}' | vlm-caption -m "$albef/pretrain.pth" --fill-mask 2>/dev/null | jq -c .error.code | tr '\n' ' ')" \
    '"no_mask" "no_text" ' '... which must be there'
status 3 'a matcher tells none' vlm-caption -m "$albef/retrieval.pth" --fill-mask masked

# search: the score that was published is the logit alone
for i in 1 2 3 4 5 6 7 8 9; do picture "q$i.ppm" $i; done
printf 'a red dog\ntwo cats\n' >queries
vlm-itm -m "$albef/retrieval.pth" --queries queries --rerank 5 q?.ppm >out
is "$(jq -s '[group_by(.query)[]|length]' -c out)" '[5,5]' '--queries --rerank'
for i in 1 2 3 4 5 6 7 8 9; do echo "{\"image\":\"q$i.ppm\",\"text\":\"two cats\"}"; done | vlm-itm -m "$albef/retrieval.pth" >each
is "$(jq -r 'select(.query=="two cats")|.image' out | sort | tr '\n' ' ')" \
    "$(jq -r '"\(.itc) \(.image)"' each | sort -gr | head -n 5 | cut -d' ' -f2 | sort | tr '\n' ' ')" '... of those with the highest itc'
for i in 1 2 3; do echo "{\"image\":\"q$i.ppm\",\"text\":\"two cats\"}"; done >truths
is "$(vlm-itm -m "$albef/retrieval.pth" --queries queries --rerank 3 truths | vlm-eval --task retrieval --ranked | jq -c '[.queries,has("image_recall_1")]')" \
    '[2,true]' '... and vlm-eval counts'

# ... and the texts for each image
for i in 1 2 3; do echo "{\"image\":\"q$i.ppm\",\"text\":[\"two cats\",\"text $i\"]}"; done >truths
printf '%s\n' 'a red dog' 'two cats' 'text 1' 'text 2' 'text 3' 'a tree' >texts
vlm-itm -m "$albef/retrieval.pth" --candidates texts --rerank 4 truths >lists
is "$(jq -c '[(.ranked|unique|length),(.itm|length),(.itc|length)]' lists | sort -u)" '[4,4,4]' '--candidates: four texts for each image'
is "$(jq -c '{image,text:.ranked}' lists | vlm-itm -m "$albef/retrieval.pth" | jq -c '[.image,.itm,.itc]')" \
    "$(jq -c '[.image,.itm,.itc]' lists)" '... with the scores that each has alone'
is "$(jq -c '.ranked|sort' lists)" "$(jq -r .image truths | while read -r p; do
    jq -Rsc --arg p "$p" '{image:$p,text:(split("\n")[:-1])}' texts; done | vlm-itm -m "$albef/retrieval.pth" |
    jq -c '[.text,.itc]|transpose|sort_by(-.[1])|.[:4]|map(.[0])|sort')" '... those with the highest itc'
is "$(vlm-itm -m "$albef/retrieval.pth" --candidates texts --rerank 6 --threads 1 --batch 1 truths)" \
    "$(vlm-itm -m "$albef/retrieval.pth" --candidates texts --rerank 6 truths)" '... whatever threads and batches'
is "$(vlm-itm -m "$albef/retrieval.pth" --candidates texts --rerank 6 truths | vlm-eval --task retrieval --ranked | jq -c '[.images,.text_recall_10,has("image_recall_1")]')" \
    '[3,1,false]' '... and vlm-eval counts'
{ cat lists; vlm-itm -m "$albef/retrieval.pth" --queries queries --rerank 3 truths; } | vlm-eval --task retrieval --ranked >both
is "$(jq -c '[.images,.queries,has("recall_mean")]' both)" '[3,2,true]' '... both directions'
status 2 '--queries and --candidates' vlm-itm -m "$albef/retrieval.pth" --candidates texts --queries queries truths

# where a text is
web 12 >few.jsonl
vlm-itm -m "$albef/retrieval.pth" --heatmap maps --threads 1 --batch 1 few.jsonl >a 2>/dev/null
is "$(jq -r '.heatmap // empty' a | sort)" "$(ls maps/*.png | sort)" '--heatmap: a picture a pair, named in its record'
is "$(jq -r '.heatmap // empty' a | head -n 1)" maps/1-two-cats-1.png '... by id and text'
vlm-itm -m "$albef/retrieval.pth" --heatmap again --threads 2 --batch 7 few.jsonl >b 2>/dev/null
ok '... the same bytes with other threads and batches' diff -r maps again
is "$(vlm-embed --image -m "$albef/retrieval.pth" maps/*.png | jq -s 'all(.image_embedding|length == 12)')" true '... which can be read'
echo '{"image":"a.ppm","text":["a red dog","two cats"],"caption":"\u00e4"}' | vlm-itm -m "$top/tests/golden/blip/itm.pth" --heatmap maps >out
is "$(jq -c '[.heatmap[],.["heatmap.caption"]]|map(sub("-[0-9a-f]{8}";""))' out)" '["maps/a-a-red-dog.png","maps/a-two-cats.png","maps/a.png"]' \
    "... a list for a list; BLIP's too"
status 1 '... every text has its own' cmp maps/a-a-red-dog.png maps/a-two-cats.png
status 3 'CLIP has no such maps' vlm-itm -m "$top/tests/golden/clip/hf-vit" --heatmap maps a.ppm
status 3 '... nor has NLVR2' vlm-itm -m "$albef/nlvr.pth" --heatmap maps a.ppm
status 2 '--heatmap and --queries' vlm-itm -m "$albef/retrieval.pth" --heatmap maps --queries queries a.ppm

# the bytes depend on the record alone
web 30 >web.jsonl
vlm-itm -m "$albef/retrieval.pth" --threads 1 --batch 1 web.jsonl >a 2>/dev/null
for t in 2 3; do
    for b in 7 32; do
        vlm-itm -m "$albef/retrieval.pth" --threads $t --batch $b web.jsonl >b 2>/dev/null
        same a b "same bytes with $t threads, batches of $b"
    done
done
for i in 1 2 3 4; do vlm-itm -m "$albef/retrieval.pth" --shard $i/4 web.jsonl 2>/dev/null; done | jq -sc 'sort_by(.id)[]' >b
jq -sc 'sort_by(.id)[]' a >c
same b c 'four shards are the whole'
head -c 1500 a >resumed
vlm-itm -m "$albef/retrieval.pth" --resume resumed web.jsonl 2>/dev/null
same a resumed '--resume ends with the same bytes'
# teaching
mkdir new
cp "$albef/vocab.txt" new
cat >new/config.json <<END
{"model_type":"albef","architectures":["AlbefForPretraining"],"projection_dim":12,
 "vision_config":{"image_size":16,"patch_size":8,"hidden_size":16,"intermediate_size":32,"num_hidden_layers":2,"num_attention_heads":2},
 "text_config":{"vocab_size":115,"hidden_size":16,"intermediate_size":32,"num_hidden_layers":4,"num_attention_heads":2,
                "max_position_embeddings":48,"type_vocab_size":2,"fusion_layer":2}}
END
teach() {
    vlm-train --init new --objective itc,itm,mlm --batch 4 --epochs 5 --lr 3e-3 --momentum 0.9 --queue 10 --log-every 1 -q "$@" web.jsonl
}
ok 'vlm-train from random numbers' teach -o taught
is "$(tail -n 1 .out | jq -c '[has("itc","itm","mlm")|select(.)]')" '[true,true,true]' '... three losses'
is "$(jq -s '(.[-10:]|map(.loss)|add) < (.[:10]|map(.loss)|add)' .out)" true '... which fall'
ok '... with one thread' teach -j 1 -o taught1
same taught/model.safetensors taught1/model.safetensors '... the same bytes'
like "$(vlm-itm -v -m taught web.jsonl 2>&1 | grep -v broken | head -n 3)" 'ALBEF ViT-tiny/8@16, pre-training' 'what it wrote is ALBEF'
like "$(vlm-itm -m taught web.jsonl 2>/dev/null | head -n 1)" '"itm":0' '... which matches'
is "$(vlm-caption -m taught --fill-mask masked | jq -r '.caption|contains("MASK")')" false '... and tells words'
ok '... and learns on' vlm-train -m taught --objective itc,itm --batch 4 --steps 3 -q -o further web.jsonl
# texts are cleaned as ALBEF's training scripts did: punctuation is deleted, '-' and '/' separate
printf '%s\n' '{"image":"a.ppm","text":"A dog-house (the #best), two/three cats!"}' '{"image":"b.ppm","text":"It'"'"'s a cat."}' >raw.jsonl
printf '%s\n' '{"image":"a.ppm","text":"a dog house the best two three cats"}' '{"image":"b.ppm","text":"its a cat"}' >clean.jsonl
[ -e b.ppm ] || cp a.ppm b.ppm
ok 'vlm-train --clean-text' vlm-train -q -m "$albef/pretrain.pth" --objective itc,itm,mlm --batch 2 --clean-text -o cleaned raw.jsonl
ok 'cleaned by hand' vlm-train -q -m "$albef/pretrain.pth" --objective itc,itm,mlm --batch 2 -o by-hand clean.jsonl
same cleaned/model.safetensors by-hand/model.safetensors 'as ALBEF cleans'
status 3 'the classifiers are not taught' vlm-train -m "$albef/ve.pth" --objective itc -q -o no web.jsonl
status 3 '--init-from needs what fits' teach --init-from "$top/tests/golden/clip/hf-vit" -o no
like "$(cat .err)" 'neither BERT nor an image tower' '... and says so'

# taught, and killed anywhere
cat >teach <<END
echo \$\$ >pid
exec vlm-train -q -m "$albef/pretrain.pth" --objective itc,itm,mlm --batch 4 --epochs 6 --lr 1e-3 --momentum 0.9 \\
    --queue 10 --dropout 0.1 --drop-path 0.1 --save-every 1 "\$@" web.jsonl
END
ok 'a run' sh teach -o whole
killed=0
for pause in 0.1 0.25 0.15 0.3 0.2; do
    rm -f pid
    sh teach --resume part >/dev/null 2>&1 &
    sleep $pause
    [ -s pid ] && kill -9 "$(cat pid)" 2>/dev/null && killed=$((killed + 1))
    wait
done 2>/dev/null
ok 'runs were killed' [ $killed -ge 1 ]
ok 'the last run' sh teach --resume part
is "$(diff -r whole part)" '' 'killed, and gone on with: the same folder'
like "$(echo "$one" | vlm-itm -m part)" '"itm":' 'which vlm-itm takes'
finish
