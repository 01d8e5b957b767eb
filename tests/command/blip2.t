#!/bin/sh
# blip2.t - BLIP-2 through the filters: several vectors an image, its towers' own files
. "$(dirname "$0")/tap.sh"
. "$top/tests/command/pictures.sh"
blip2=$top/tests/golden/blip2
model=$blip2/stage1/blip2_pretrained.pth
for i in 1 2 3 4 5 6 7 8 9; do picture "q$i.ppm" $i; done
one='{"id":1,"image":"q1.ppm","text":"a red dog","n":1.10}'

# embeddings
echo "$one" | vlm-embed -m "$model" >out
is "$(jq -c '[(.image_embedding|length,(.[0]|length)),(.text_embedding|length)]' out)" '[4,12,12]' \
    'a vector of the image for each query, one of the text'
echo "$one" | vlm-itm -m "$model" >itm
is "$(vlm-sim out | jq --slurpfile i itm '.sim - $i[0].itc | fabs < 1e-6')" true 'sim is the highest of the cosines, as itc'
is "$(jq -n --slurpfile e out --slurpfile i itm '$e[0] as $e | ([$e.image_embedding[] as $v | [range(12) as $k | $v[$k] * $e.text_embedding[$k]] | add] | max) - $i[0].itc | fabs < 1e-6')" \
    true '... as jq finds it'
vlm-embed -m "$model" -b q?.ppm >vectors.cbor
vlm-sim vectors.cbor -m "$model" --query 'two cats' --top 3 >best
vlm-sim q?.ppm -m "$model" --query 'two cats' --top 3 >again
is "$(jq -c '[.image,.sim]' best)" "$(jq -c '[.image,.sim]' again)" 'a search among vectors, and among pictures'
for i in 1 2 3 4 5 6 7 8 9; do echo "{\"image\":\"q$i.ppm\",\"text\":\"two cats\"}"; done | vlm-itm -m "$model" >each
is "$(jq -r .image best | tr '\n' ' ')" "$(jq -r '"\(.itc) \(.image)"' each | sort -gr | head -n 3 | cut -d' ' -f2 | tr '\n' ' ')" \
    '... finds those with the highest itc'
printf 'two cats\n' >queries
is "$(vlm-itm -m "$model" --queries queries --rerank 3 q?.ppm | jq -r .image | sort)" "$(jq -r .image best | sort)" \
    'vlm-itm --queries judges those too'
is "$(vlm-embed -m "$model" --image q1.ppm q2.ppm q1.ppm | vlm-sim --near-duplicates 0.9999 | jq -c .duplicate_of)" \
    "$(printf 'null\nnull\n"q1.ppm"')" 'near duplicates'
vlm-embed -m "$model" --npy rows.npy q1.ppm q2.ppm >ids
is "$(tr '\n' ' ' <ids)" 'q1.ppm q1.ppm q1.ppm q1.ppm q2.ppm q2.ppm q2.ppm q2.ppm ' '--npy: a row a vector'
is "$(for i in 1 2 3; do echo "{\"image\":\"q$i.ppm\",\"text\":\"two cats $i\"}"; done | vlm-embed -m "$model" | vlm-eval --task retrieval |
    jq '.image_recall_10, .text_recall_10' | sort -u)" 1 'vlm-eval counts recall among them'

# matching, captions
like "$(cat itm)" '"n":1.10,"itm":0\.[0-9]+,"itm_logit":-?[0-9.]+,"itc":-?0\.[0-9]+\}$' 'itm, itm_logit, itc'
like "$(vlm-caption -m "$model" q1.ppm)" '"caption":".+","logprob":-[0-9.]+[,}]' 'the Q-Former writes'
is "$(vlm-caption -m "$model" --min-length 1 --max-length 5 q?.ppm | jq -s 'map(.caption|split(" ")|length <= 5)|all')" true '--max-length'
is "$(vlm-caption -m "$model" --max-length 5 q?.ppm | jq -s 'map(.caption|split(" ")|length <= 5)|all')" true '... alone lowers the least length too'
vlm-embed -m "$model" --features -b q?.ppm >features.cbor
is "$(vlm-caption -m "$model" features.cbor | jq -r .caption)" "$(vlm-caption -m "$model" q?.ppm | jq -r .caption)" 'features serve'

# files
mkdir alone
cp "$model" "$blip2/stage1/vocab.txt" alone
status 3 'a checkpoint without its image tower' vlm-itm -m alone/blip2_pretrained.pth q1.ppm
like "$(cat .err)" 'name its file with --vision, or put eva_vit_g.pth or clip_vit_L.pth beside it' '... says where to get it from'
is "$(echo "$one" | vlm-itm -m alone/blip2_pretrained.pth --vision "$blip2/stage1/eva_vit_g.pth" | jq .itm)" "$(jq .itm itm)" '--vision'
like "$(echo "$one" | vlm-itm -m "$blip2/hf-itm")" '"itm":' 'a folder of Hugging Face'
cp -r "$blip2/hf-itm" newer
jq -c '.added_tokens += [.added_tokens[0] + {"id": 116, "content": "<image>"}]' "$blip2/hf-itm/tokenizer.json" >newer/tokenizer.json
is "$(echo "$one" | vlm-itm -m newer)" "$(echo "$one" | vlm-itm -m "$blip2/hf-itm")" '... with a token for images'
like "$(echo "$one" | vlm-itm -m "$blip2/vitL.pth" --tokenizer "$blip2/stage1/vocab.txt")" '"itm":' "CLIP's tower"
like "$(echo "$one" | vlm-itm -m "$model" --image-size 32)" '"itm":' '--image-size'
status 3 'no captions from a folder without the head' vlm-caption -m "$blip2/hf-itm" q1.ppm
like "$(cat .err)" 'cannot caption images; it can embed images, embed texts, match images and texts' '... and says what it can'

printf '%s\n' '{"image":"q1.ppm","text":"a red dog"}' '{"image":"q2.ppm","text":"two cats"}' >two
ok 'vlm-train --vision' vlm-train -q -j1 -m alone/blip2_pretrained.pth --vision "$blip2/stage1/eva_vit_g.pth" \
    --objective itc --steps 1 --batch 2 -o taught_alone two
# a folder of all towers
ok 'vlm-convert joins towers' vlm-convert alone/blip2_pretrained.pth joined --vision "$blip2/stage1/eva_vit_g.pth"
is "$(echo "$one" | vlm-itm -m joined)" "$(cat itm)" '... and the folder says the same'
is "$(vlm-convert --info --vision "$blip2/stage1/eva_vit_g.pth" alone/blip2_pretrained.pth | jq -c '[.can,.memory_bytes>0]')" \
    '[["embed images","embed texts","match","caption","features"],true]' '--info'

# second stage: a language model
for kind in opt t5; do
    speaker=$blip2/$kind/blip2.pth
    like "$(vlm-caption -m "$speaker" q1.ppm)" '"caption":".*","logprob":-[0-9.]+[,}]' "$kind: a caption"
    ok "$kind: a prompt changes it" test "$(vlm-caption -m "$speaker" --prompt 'Question: what is it? Answer:' q?.ppm | jq .logprob)" != \
        "$(vlm-caption -m "$speaker" q?.ppm | jq .logprob)"
    is "$(vlm-caption -m "$speaker" --beam 1 --max-length 4 q?.ppm | jq -s 'map(.caption|split(" ")|length <= 3)|all')" true "$kind: --max-length"
    is "$(vlm-caption -m "$speaker" --sample --seed 3 q?.ppm)" "$(vlm-caption -m "$speaker" --sample --seed 3 --beam 5 q?.ppm)" \
        "$kind: LAVIS samples with five beams"
    ok "$kind: one beam draws otherwise" test "$(vlm-caption -m "$speaker" --sample --seed 3 q?.ppm)" != \
        "$(vlm-caption -m "$speaker" --sample --seed 3 --beam 1 q?.ppm)"
    is "$(vlm-caption -m "$blip2/hf-$kind" --sample --seed 3 q?.ppm)" \
        "$(vlm-caption -m "$blip2/hf-$kind" --sample --seed 3 --beam 1 q?.ppm)" "$kind: Hugging Face samples with one"
    is "$(printf '%s\n' '{"image":"q1.ppm","p":"a photo of"}' '{"image":"q2.ppm","p":"Question: how many? Answer:"}' |
        vlm-caption -m "$speaker" --prompt-field p | jq .logprob)" \
        "$(vlm-caption -m "$speaker" --prompt 'a photo of' q1.ppm | jq .logprob; vlm-caption -m "$speaker" --prompt 'Question: how many? Answer:' q2.ppm | jq .logprob)" \
        "$kind: each record its own prompt"
    is "$(jq -nc '["a photo", ([range(700)] | join(" "))] | .[] | {image: "q1.ppm", p: .}' |
        vlm-caption -m "$speaker" --prompt-field p --max-length 5 | jq -c .truncated)" "$(printf 'null\ntrue')" "$kind: a prompt that is cut is told"
    like "$(vlm-caption -m "$blip2/hf-$kind" --length-penalty -1 --max-length 10 q1.ppm)" '"caption":".*"' "$kind: a folder of Hugging Face"
    vlm-embed -m "$speaker" --features -b q?.ppm >features.cbor
    is "$(vlm-caption -m "$speaker" features.cbor | jq -r .caption)" "$(vlm-caption -m "$speaker" q?.ppm | jq -r .caption)" "$kind: features serve"
    status 3 "$kind: it does not embed" vlm-embed -m "$speaker" q1.ppm
done
cp "$blip2/opt/blip2.pth" "$blip2/opt/eva_vit_g.pth" alone
status 3 'a checkpoint without its language model' vlm-caption -m alone/blip2.pth q1.ppm
like "$(cat .err)" 'name its folder with --language, or put opt-2.7b beside it' '... says where to get it from'
is "$(vlm-caption -m alone/blip2.pth --language "$blip2/opt/opt-2.7b" q1.ppm)" "$(vlm-caption -m "$blip2/opt/blip2.pth" q1.ppm)" '--language'
status 3 'a language model of another kind' vlm-caption -m alone/blip2.pth --language "$blip2/t5/flan-t5-xl" q1.ppm
like "$(cat .err)" 'model_type is "t5"' '... is named'
status 3 'more text than there are places' vlm-caption -m "$blip2/opt/blip2.pth" --max-length 100 q1.ppm

# int8: a byte a number of a layer's matrix, and a factor a row; what it says changes little
header() { dd if="$1" bs=1 skip=8 count="$(od -An -tu8 -N8 "$1" | tr -d ' ')" 2>/dev/null; }
# close FIELDS A B MOST: the numbers of the records, and of lists in them, differ by less than MOST
close() {
    jq -n --slurpfile a "$2" --slurpfile b "$3" "def numbers_of: map($1) | flatten; [\$a, \$b | numbers_of] |
        transpose | length > 0 and all(.[0] - .[1] | fabs < $4)"
}
int8() {
    name=$1
    shift
    rm -rf plain small
    ok "$name: f32" vlm-convert --to hf --dtype f32 "$@" plain
    ok "$name: int8" vlm-convert --to hf --dtype int8 "$@" small
    header plain/model.safetensors >plain.json
    header small/model.safetensors >small.json
    is "$(jq -n --slurpfile p plain.json --slurpfile s small.json '[$p[0] | to_entries[] | select(.value.shape? and $s[0][.key]) |
            .value.shape as $n | ($n | reduce .[] as $i (1; . * $i)) * {I8: 1, F16: 2, F32: 4}[$s[0][.key].dtype] +
                (if $s[0][.key].dtype == "I8" then 4 * $n[0] else 0 end)] | add')" \
        "$(($(stat -c %s small/model.safetensors) - 8 - $(wc -c <small.json)))" '... every tensor has its bytes, and no other is there'
    is "$(jq -c 'to_entries | map(select(.key | test("layers?[.][0-9].*(dense|fc1|qkv|proj|query|wi_0|SelfAttention.q|wo)[.]weight$")) | .value.dtype) | unique' small.json)" \
        '["I8"]' '... those of all layers are bytes'
    is "$(vlm-convert --info small | jq -c '[.dtype, .tensor_bytes < 4 * .parameters.all]')" '["int8",true]' '... --info tells'
}
int8 'stage 1' "$model"
echo "$one" | vlm-itm -m small >got
ok '... matches' test "$(close '[.itm, .itc]' itm got 0.05)" = true
echo "$one" | vlm-embed -m small >got
ok '... embeds' test "$(close '[.image_embedding, .text_embedding]' out got 0.05)" = true
int8 'a folder' "$blip2/hf-itm"
echo "$one" | vlm-itm -m plain >wanted
echo "$one" | vlm-itm -m small >got
ok '... matches' test "$(close '[.itm, .itc]' wanted got 0.05)" = true
for kind in opt t5; do
    for from in "$kind/blip2.pth" "hf-$kind"; do
        int8 "$from" "$blip2/$from"
        vlm-caption -m plain --beam 1 --max-length 2 q?.ppm >wanted # later tokens hang on earlier ones
        vlm-caption -m small --beam 1 --max-length 2 q?.ppm >got
        ok '... is as sure of the first token' test "$(close .logprob wanted got 0.2)" = true
        is "$(vlm-caption -m small --threads 1 --batch 2 q?.ppm)" "$(vlm-caption -m small q?.ppm)" '... the same bytes with 1 thread, batches of 2'
    done
done

# the bytes depend on the record alone
web 30 >web.jsonl
for run in 'vlm-embed stage1/blip2_pretrained.pth' 'vlm-itm stage1/blip2_pretrained.pth' 'vlm-caption stage1/blip2_pretrained.pth' \
    'vlm-caption stage1/blip2_pretrained.pth --sample' 'vlm-caption opt/blip2.pth' 'vlm-caption t5/blip2.pth --sample'; do
    set -- $run
    command="$1 $3" model=$blip2/$2
    $command -m "$model" --threads 1 --batch 1 web.jsonl >a 2>/dev/null
    for b in 7 32; do
        $command -m "$model" --threads 2 --batch $b web.jsonl >b 2>/dev/null
        same a b "$command: same bytes with 2 threads, batches of $b"
    done
    for i in 1 2 3; do $command -m "$model" --shard $i/3 web.jsonl 2>/dev/null; done | jq -sc 'sort_by(.id)[]' >b
    jq -sc 'sort_by(.id)[]' a >c
    same b c '... three shards are the whole'
    head -n 11 a >part
    printf '{"id":12,"im' >>part
    $command -m "$model" --resume part web.jsonl 2>/dev/null
    same a part '... and resumed behind a torn record'
done
# the second stage learns as LAVIS's Blip2OPT.forward does: the end of the line ends a text, and a prompt and the first
# word behind it stay apart
pairs=$top/tests/golden/learning/opt
for kind in prompted plain; do
    [ $kind = prompted ] && prompt='a photo of' || prompt=
    ok "OPT learns, $kind" vlm-train -q -m "$blip2/opt/blip2.pth" --objective lm --prompt "$prompt" --batch 6 --epochs 15 \
        --schedule constant --warmup 0 --lr 1e-3 --log-every 1 --root "$pairs" -o learnt-$kind "$pairs/records.jsonl"
    is "$(jq -s --slurpfile theirs "$pairs/losses.json" "[map(.loss), \$theirs[0].$kind] | transpose | map(.[0] - .[1] | fabs < 1e-4) | [length, all]" .out | jq -c .)" \
        '[15,true]' 'the losses of 15 steps are LAVIS'"'"'s'
done
same learnt-plain/tokenizer.json "$blip2/opt/opt-2.7b/tokenizer.json" 'the tokenizer stays as it is'
# T5 with SentencePiece's own file: it is copied, and opened again
mkdir pieces
cp "$blip2"/t5/*.pth pieces
cp -r "$blip2/t5/flan-t5-xl" pieces/flan-t5-xl
rm pieces/flan-t5-xl/tokenizer.json
cp "$top/tests/golden/tokenizer/t5/spiece.model" pieces/flan-t5-xl
T5="vlm-train -q -m pieces/blip2.pth --objective lm --batch 2 --steps 1 --root $pairs"
ok 'T5 with spiece.model alone learns' $T5 -o pieces-learnt "$pairs/records.jsonl"
same pieces-learnt/spiece.model pieces/flan-t5-xl/spiece.model 'its file is copied'
is "$(jq -r .tokenizer_class pieces-learnt/tokenizer_config.json)" T5Tokenizer 'with settings'
ok 'and it writes' vlm-caption -m pieces-learnt "$pairs/0.ppm"
finish
