#!/bin/sh
# vlm-convert.t - models in other layouts and types, what they are, whether they are whole
. "$(dirname "$0")/tap.sh"
. "$top/tests/command/pictures.sh"
blip=$top/tests/golden/blip
clip=$top/tests/golden/clip
picture a.ppm 1
picture b.ppm 2
records='{"image":"a.ppm","text":"a red dog"}
{"image":"b.ppm","text":"two cats"}'
match() { echo "$records" | vlm-itm -m "$1" | jq -c '[.itm, .itc]'; }
numbers() { vlm-convert --verify "$@" | jq -r .numbers; }

ok 'an original file becomes a folder' vlm-convert "$blip/pretrain.pth" folder
is "$(ls folder | tr '\n' ' ')" 'config.json model.safetensors preprocessor_config.json tokenizer_config.json vocab.txt ' \
    'with all that belongs to it'
is "$(match folder)" "$(match "$blip/pretrain.pth")" 'it matches as the file does'
is "$(vlm-caption -m folder a.ppm b.ppm)" "$(vlm-caption -m "$blip/pretrain.pth" a.ppm b.ppm)" 'and writes the same'
is "$(jq -c .architectures folder/config.json)" '["BlipForConditionalGeneration","BlipForImageTextRetrieval"]' \
    'config.json names both roles'
is "$(tail -n 2 folder/vocab.txt | tr '\n' ' ')" '[DEC] [ENC] ' 'the vocabulary has the two tokens that BLIP adds'
ok 'and back' vlm-convert folder back.pth
is "$(numbers "$blip/pretrain.pth" folder back.pth | uniq | wc -l)" 1 'nothing is lost'
ok '--to original' vlm-convert --to original folder same
same same back.pth '... is the same under any name'
ok '--to hf' vlm-convert --to hf folder odd.pth
ok '... whatever the name' test -f odd.pth/config.json

for m in "$blip/hf-caption" "$blip/hf-vqa" "$clip/hf-vit" "$clip/openai-rn.pt" "$clip/open_clip-mean" "$clip/own-bag"; do
    ok "${m##*/} is copied" vlm-convert "$m" copy
    is "$(numbers "$m" copy | uniq | wc -l)" 1 'with all its numbers'
done
is "$(vlm-embed -m "$clip/hf-vit" a.ppm)" "$(vlm-convert "$clip/hf-vit" copy && vlm-embed -m copy a.ppm)" \
    'and its answers'
ok 'OpenAI'\''s file is written' vlm-convert "$clip/openai-vit.pt" out.pt
is "$(vlm-embed -m out.pt a.ppm)" "$(vlm-embed -m "$clip/openai-vit.pt" a.ppm)" 'and is known as such'

for m in blip2/hf-opt blip2/hf-itm blip/hf-itm clip/hf-vit; do
    vlm-convert "$top/tests/golden/$m" copy
    case $m in clip*) p=CLIPImageProcessor ;; *) p=BlipImageProcessor ;; esac
    is "$(jq -r .image_processor_type copy/preprocessor_config.json)" $p "$m: its own image processor"
done
for m in pretrain retrieval vqa ve; do
    ok "ALBEF $m: a folder" vlm-convert "$top/tests/golden/albef/$m.pth" copy
    ok '... and the authors'\'' file again' vlm-convert copy copy.pth
    is "$(numbers "$top/tests/golden/albef/$m.pth" copy copy.pth | uniq | wc -l)" 1 '... with all its numbers'
done
for t in f16 bf16 int8; do
    ok "--dtype $t" vlm-convert --dtype $t "$blip/pretrain.pth" $t
    is "$(vlm-convert --info $t | jq -r .dtype)" $t '... is told'
    match $t >got
    match "$blip/pretrain.pth" >wanted
    is "$(jq -s 'flatten | .[:4] as $a | .[4:] as $b | [range(4)] | all(($a[.] - $b[.] | fabs) < 0.02)' got wanted)" \
        true '... changes scores little'
    is "$(vlm-embed -m $t a.ppm | jq '.image_embedding | map(. * .) | add - 1 | fabs < 1e-5')" true '... and embeds'
    like "$(vlm-caption -m $t a.ppm)" '"caption":"[a-z#]' '... and writes'
done
ok 'int8 is small' test "$(stat -c %s int8/model.safetensors)" -lt "$(($(stat -c %s folder/model.safetensors) / 2))"
ok '--once' vlm-convert --once "$blip/pretrain.pth" once
ok '... is smaller' test "$(stat -c %s once/model.safetensors)" -lt "$(stat -c %s folder/model.safetensors)"
is "$(numbers once)" "$(numbers folder)" '... with the same numbers'
cosines() { # of FOLDER's embeddings with the model's own: the least
    vlm-embed -m "$1" both | jq -s '[.[] | .image_embedding, .text_embedding]' >a
    vlm-embed -m folder both | jq -s '[.[] | .image_embedding, .text_embedding]' >b
    jq -n --slurpfile a a --slurpfile b b '[$a[0], $b[0]] | transpose | map(transpose | map(.[0] * .[1]) | add) | min'
}
for i in 1 2 3 4 5; do
    awk -v n=$i 'BEGIN { srand(n); print "P3 9 9 255"; for (i = 0; i < 243; i++) print int(255 * rand()) }' >noise$i.ppm
    printf '{"image":"noise%d.ppm","text":"a cat and %d dogs"}\n' $i $i
done >both
for n in 1 2 3; do
    ok "int8 with $n pieces" vlm-convert --dtype int8 --pieces $n folder pieces$n
    vlm-embed -m pieces$n both >at-once
    vlm-embed -m pieces$n --batch 1 --threads 1 both >one-by-one
    same one-by-one at-once '... the same bytes whatever the batch and the threads'
done
ok '... the more, the nearer' sh -c "[ $(jq -n "[$(cosines pieces1) > 0.98, $(cosines pieces2) > 0.999, $(cosines pieces3) >= $(cosines pieces2) - 1e-6] | all") = true ]"
ok 'pieces go along' vlm-convert pieces1 again
same again/model.safetensors pieces1/model.safetensors '... unchanged'
ok 'pieces are chosen' vlm-convert --dtype int8 --calibrate both --accuracy 0.9995 folder chosen
jq . .out >/dev/null && cp .out report
is "$(jq -c '[.images, .texts, .cosine_least >= 0.9995, (.pieces | length > 3 and all(. >= 1 and . <= 3))]' report)" \
    '[5,5,true,true]' '... and reported'
same chosen/int8.json report '... in the folder too'
is "$(cosines chosen | jq '. >= 0.9994')" true '... and it is so'
for o in '--pieces 1' '--dtype int8 --pieces 4' '--calibrate both' '--dtype int8 --pieces 1 --calibrate both' \
    '--dtype int8 --accuracy 0.9'; do
    status 2 "a mistake: $o" vlm-convert $o folder nowhere
done
status 1 'nothing to calibrate with' vlm-convert --dtype int8 --calibrate /dev/null folder nowhere
ok 'int8 becomes f32 again' vlm-convert --dtype f32 int8 wide
is "$(numbers wide)" "$(numbers int8)" '... with what it said'

is "$(vlm-convert --info folder | jq -c '[.family,.can,.parameters.all,.image_size,.vocabulary,.tokenizer]')" \
    '["blip",["embed images","embed texts","match","caption","features","ground"],22240,16,117,"folder"]' --info
is "$(vlm-convert --info "$top/tests/golden/albef/pretrain.pth" | jq -c .can)" \
    '["embed images","embed texts","match","features","ground","fill"]' '--info names masked words too'
is "$(vlm-convert --info "$blip/vqa.pth" "$clip/hf-vit" | jq -c '[.family,.container]')" '["blip","torch"]
["clip","safetensors"]' '--info of several'
is "$(vlm-convert --verify folder | jq -c '[.finite,.checksums]')" '[true,null]' --verify
is "$(vlm-convert --verify back.pth | jq -c '[.finite,.checksums]')" '[true,true]' '--verify compares checksums'

echo keep >folder/notes
ok 'a folder is replaced by itself' vlm-convert --dtype f16 folder folder
is "$(cat folder/notes)" keep 'files that are not the model'\''s stay'
is "$(vlm-convert --info folder | jq -r .dtype)" f16 'and the model is new'
cp "$blip/hf-caption/tokenizer.json" folder
vlm-convert "$blip/caption.pth" folder
ok 'an old tokenizer does not stay' test ! -e folder/tokenizer.json -a -e folder/vocab.txt -a -e folder/notes
ln -s folder link
ok 'a link is followed' vlm-convert --dtype f16 "$blip/caption.pth" link
ok '... and stays' test -h link -a -f folder/config.json -a -f folder/notes
is "$(find . -name '*.tmp' -o -name '*.old')" '' 'nothing is left behind'

mkdir full
echo mine >full/thing
status 1 'a folder of other things is not replaced' vlm-convert folder full
like "$(cat .err)" 'full: is there already, with files but without config.json' '... with a sentence'
is "$(cat full/thing)" mine '... nor touched'
echo mine >file
status 1 'nor is a file' vlm-convert folder file
like "$(cat .err)" 'file: is there already, and no folder' '... with a sentence'
status 1 'a place that is not there' vlm-convert folder nowhere/out
status 1 'a model that is not there' vlm-convert nothing out
status 1 'a tokenizer that is not there' vlm-convert --tokenizer none folder out
status 1 'two pooled towers are not in the authors'\'' code' vlm-convert "$blip/hf-pooled" out.pth
like "$(cat .err)" 'authors have no model of two pooled towers' '... with a sentence'
status 1 'nor heads of another width in OpenAI'\''s' vlm-convert "$clip/hf-vit" out.pt
status 1 'int8 is not for the authors'\'' code' vlm-convert int8 out.pth
like "$(cat .err)" 'choose another type' '... with a sentence'
ok 'and leaves no file' test ! -e out.pth
status 2 'a type that is none' vlm-convert --dtype f8 folder out
status 2 'no OUT' vlm-convert folder
status 2 'no MODEL' vlm-convert
status 2 'too many' vlm-convert a b c
status 1 '/dev/full' sh -c 'vlm-convert --info folder >/dev/full'
status 1 'no room on the disk: folder' sh -c 'trap "" XFSZ; ulimit -f 20; vlm-convert once small'
status 1 'no room on the disk: file' sh -c 'trap "" XFSZ; ulimit -f 20; vlm-convert once small.pth'
ok '... and no trace' test ! -e small -a ! -e small.pth
is "$(find . -name '*.tmp')" '' '... at all'

head -c 20000 "$blip/caption.pth" >cut.pth
status 1 'a truncated file' vlm-convert --verify cut.pth
cp back.pth flipped.pth
printf '\377' | dd of=flipped.pth bs=1 seek=70000 conv=notrunc 2>/dev/null
status 1 'a byte that changed' vlm-convert --verify flipped.pth
like "$(cat .err)" 'flipped.pth: .*(CRC|checksum)' '... is named'
cp -r once infinite
size=$(stat -c %s infinite/model.safetensors)
printf '\377\377\377\377' | dd of=infinite/model.safetensors bs=1 seek=$((size - 4)) conv=notrunc 2>/dev/null
status 1 'a number that is none' vlm-convert --verify infinite
like "$(cat .err)" 'not finite' '... is told'
vlm-convert --verify folder flipped.pth once >out 2>/dev/null
is "$(wc -l <out)" 2 'the others are checked all the same'

# whoever looks sees a whole model, however often a run is killed
vlm-convert "$blip/pretrain.pth" target
for i in 1 2 3 4 5 6 7 8 9 10 11 12; do
    vlm-convert --dtype f16 "$blip/pretrain.pth" target &
    sleep 0.00$i
    kill -9 $! 2>/dev/null
    wait $! 2>/dev/null
    vlm-convert --verify target >/dev/null 2>&1 || break
done 2>/dev/null
is "$i" 12 'killed at any moment, the name has a whole model'
finish
