#!/bin/sh
# vlm-train.t - a run writes a model that the filters take; stopped anywhere it ends the same
. "$(dirname "$0")/tap.sh"
. "$top/tests/command/pictures.sh"
blip=$top/tests/golden/blip
both=$work/both

web 40 >web.jsonl
mkdir "$both"
cp "$blip"/hf-itm/*.json "$both"
sed -i 's/"BlipForImageTextRetrieval"/"BlipForImageTextRetrieval", "BlipForConditionalGeneration"/' "$both/config.json"

cat >train <<END
echo \$\$ >pid
exec vlm-train --init "$both" --objective itc,itm:2,lm --batch 4 --epochs 6 --lr 3e-3 \\
    --momentum 0.9 --queue 10 --crop 0.5 --flip --randaugment 2,5 --dropout 0.1 --drop-path 0.1 --log-every 1 "\$@" web.jsonl
END
train() {
    sh train "$@"
}

# what a run says and writes
ok 'a run from random numbers' train -q -o whole
cp .out lines
is "$(wc -l <lines)" 60 'a line for every step: 40 pairs, ten batches an epoch, six epochs'
is "$(jq -c 'keys_unsorted' lines | sort -u)" '["step","epoch","loss","itc","itm","lm","temperature","grad_norm","lr","seconds","samples_per_second"]' 'what a line says'
is "$(jq -s 'map(select(((.itc + 2 * .itm + .lm - .loss) | fabs) > 1e-4 * .loss)) | length' lines)" 0 'the loss is the sum of the three, itm twice'
is "$(jq -s '(.[50:] | map(.lm) | add) < 0.9 * (.[:10] | map(.lm) | add)' lines)" true 'the last epoch writes better than the first'
is "$(echo $(cd whole && ls))" 'config.json model.safetensors preprocessor_config.json tokenizer.json tokenizer_config.json training.json' 'the files'
like "$(vlm-itm -q -m whole web.jsonl | head -n 1)" '"itm":' 'vlm-itm takes the model'
ok 'vlm-caption takes it' vlm-caption -m whole p1.ppm
ok 'and vlm-embed' vlm-embed -m whole web.jsonl
like "$(train -o said 2>&1 >/dev/null)" 'broken7.jpg' 'broken pictures are named'

# a model that is named as filters name theirs
ok 'without -m, the model of VLM_MODEL learns' env VLM_MODEL="$blip/hf-itm" vlm-train -q --steps 1 --batch 2 -o of_variable web.jsonl
mkdir models
cp -R "$blip/hf-itm" models/named
ok 'with -m NAME, one of VLM_MODELS' env VLM_MODELS="$work/models" vlm-train -q -m named --steps 1 --batch 2 -o of_name web.jsonl

# every format that filters read
small="--init $both --objective itc --epochs 1 --batch 10"
{ echo image,text; jq -r '[.image, .text] | @csv' web.jsonl; } >web.csv
echo web.csv >files
ok 'pairs of lines' vlm-train -q $small -o of_lines web.jsonl
ok 'pairs of a table' vlm-train -q $small --from csv -o of_table web.csv
same of_lines/model.safetensors of_table/model.safetensors '... the same model'
ok 'pairs of what a list names' vlm-train -q $small --from list -o of_list files
same of_lines/model.safetensors of_list/model.safetensors '... the same model'

# judged by pairs that are not learnt from
ok '--held-out' train -q --save-every 20 --held-out web.jsonl -o judged
is "$(jq -c 'select(has("held_out_loss")) | keys_unsorted' .out | sort | uniq -c | tr -s ' ')" \
    ' 3 ["step","epoch","held_out_loss","held_out_itc","held_out_itm","held_out_lm","held_out_pairs"]' 'a line whenever the folder is written'
is "$(jq -sc 'map(select(has("held_out_loss"))) | [(map(.step) == [20,40,60]), (map(.held_out_pairs) | unique), (.[2].held_out_lm < .[0].held_out_lm)]' .out)" \
    '[true,[40],true]' 'of all pairs; it writes better'
same judged/model.safetensors whole/model.safetensors 'what is learnt is the same'
status 1 'a file that is not there' train --held-out none.jsonl -o no
like "$(cat .err)" 'none.jsonl' 'and which'

# the same bytes
for n in 1 2 5; do
    ok "$n threads" train -q -j $n -o threads$n
    same threads$n/model.safetensors whole/model.safetensors "$n threads: the same bytes"
done
ok 'pictures one at a time' train -q -j 5 --memory 1 -o narrow
same narrow/model.safetensors whole/model.safetensors 'the same bytes'
ok 'another seed' train -q --seed 1 -o seed
cmp -s seed/model.safetensors whole/model.safetensors
is $? 1 'gives another model'
for option in --dropout --drop-path; do
    ok "without $option" train -q $option 0 -o without$option
    cmp -s without$option/model.safetensors whole/model.safetensors
    is $? 1 'another model too'
done

# less exact products, where there is AMX
for n in 1 3; do
    ok "--precision=medium, $n threads" train -q -j $n --precision medium -o medium$n
done
same medium1/model.safetensors medium3/model.safetensors 'the same bytes'
is "$(jq -s '(.[50:] | map(.lm) | add) < 0.9 * (.[:10] | map(.lm) | add)' .out)" true 'it learns so too'

# killed anywhere
killed=0
for pause in $(awk 'BEGIN { srand(7); for (i = 0; i < 8; i++) printf "%.3f ", 0.02 + 0.3 * rand() }'); do
    rm -f pid
    sh train -q --save-every 1 --resume part >/dev/null 2>&1 &
    sleep $pause
    [ -s pid ] && kill -9 "$(cat pid)" 2>/dev/null && killed=$((killed + 1))
    wait
done 2>/dev/null
ok 'runs were killed' [ $killed -ge 1 ]
ok 'the last run' train -q --save-every 1 --resume part
is "$(diff -r whole part)" '' 'killed, and gone on with: the same folder'
ok 'once more' train -q --save-every 1 --resume part
is "$(cat .out)" '' 'nothing is left to do'
is "$(ls -a | grep -c 'part\..*')" 0 'no temporary folder is left' || ls -a | sed 's/^/# /'

rm -f lines pid
sh train -q --epochs 2000 --resume stopped >lines 2>.err &
wait_for [ -s lines ]
pid=$(cat pid)
for option in --resume --output; do
    status 1 "a second training with $option" train -q --epochs 2000 $option stopped
    like "$(cat .err)" 'stopped: another process is writing it' '... is refused'
done
kill -TERM "$pid"
wait $!
is $? 143 'SIGTERM: the status'
like "$(cat .err)" 'stopped; --resume=stopped goes on' 'what it says'
ok 'the folder is whole' vlm-embed -m stopped p1.ppm

# the terminal is gone, or who read the reports is: the folder is written first
rm -f lines pid
env --default-signal=HUP sh train -q --epochs 2000 --save-every 0 --resume hung-up >lines 2>.err &
wait_for [ -s lines ]
kill -HUP "$(cat pid)"
wait $!
is $? 129 'SIGHUP: the status'
ok 'the folder is whole' vlm-embed -m hung-up p1.ppm
{ env --default-signal=PIPE sh train -q --epochs 2000 --save-every 0 --resume unread 2>.err; echo $? >ended; } | head -n 1 >/dev/null
is "$(cat ended)" 141 'a reader that leaves: the status'
like "$(cat .err)" 'stopped; --resume=unread goes on' 'what it says'
ok 'the folder is whole' vlm-embed -m unread p1.ppm
rm -f pid
mkfifo slow
env --default-signal=HUP sh train -q -o never slow >/dev/null 2>.err & # web.jsonl behind it
wait_for [ -s pid ]
sleep 0.3
kill -TERM "$(cat pid)"
wait $!
is $? 143 'SIGTERM while pairs are awaited: the status'
is "$(ls -d never* 2>/dev/null)" '' 'and nothing is left'
rm -f pid
sh train -q --held-out slow -o never >/dev/null 2>.err &
wait_for [ -s pid ]
sleep 0.3
kill -HUP "$(cat pid)"
wait $!
is $? 129 'SIGHUP while pairs to validate on are awaited: the status'
is "$(ls -d never* 2>/dev/null)" '' 'and nothing is left'

status 1 'other options are refused' train -q --epochs 2000 --batch 5 --resume stopped
like "$(cat .err)" 'was trained with other options' 'and why'

# begun by the first release and broken off; plain loops, so that every processor gives these bytes
mkdir begun
web 6 >begun/web.jsonl
cp p[1-6].ppm begun
cp -r "$top/tests/golden/training/begin" "$top/tests/golden/training/part" begun
begun() {
    (cd begun && VLM_CPU=scalar VLM_BLAS=none vlm-train --init begin --objective itc,itm:2,mlm --batch 2 --steps 12 \
        --lr 3e-3 --min-lr 1e-4 --momentum 0.9 --queue 6 --alpha 0.3 --crop 0.5 --flip --randaugment 2,5 \
        --dropout 0.1 --log-every 1 --save-every 0 -q -j 1 "$@" web.jsonl)
}
ok 'a training in one run, as that was begun' begun --positives alike --context 0 -o whole
ok 'one that an older vlm-train began' begun --resume part
like "$(head -n 1 .out)" '"step":[2-9],' 'it goes on where that stopped'
for folder in whole part; do # its fields may stand in another order, and one is newer
    jq -S 'del(.clean_up_tokenization_spaces)' begun/$folder/tokenizer_config.json >sorted && mv sorted begun/$folder/tokenizer_config.json
    jq 'del(.options.max_words)' begun/$folder/training.json >less && mv less begun/$folder/training.json
done
is "$(diff -r begun/whole begun/part)" '' 'and ends with the same bytes'

# from a model, parts of it frozen
ok 'a captioner goes on' vlm-train -q -m "$blip/hf-caption" --objective lm --freeze vision --steps 2 --batch 4 -o tuned web.jsonl
ok 'in the form it had' vlm-caption -m tuned p1.ppm
ok 'CLIP' vlm-train -q -m "$top/tests/golden/clip/hf-vit" --steps 2 --batch 4 -o clip web.jsonl
ok 'which is CLIP' vlm-embed -m clip p1.ppm
ok 'several passes a step' vlm-train -q -m whole --objective itm --batch 4 --accumulate 3 --steps 2 -o passes web.jsonl

# texts are cut where the authors cut them: two that differ behind that are one, two that differ before it are not
words() { # COUNT LAST: so many cats, then LAST
    printf '%s %s' "$(yes cat | head -n "$1" | tr '\n' ' ' | sed 's/ $//')" "$2"
}
hash_of() { # TEXT [OPTION...]
    echo "{\"image\":\"p1.ppm\",\"text\":\"$1\"}" >one.jsonl
    shift
    rm -rf cut
    vlm-train -q --steps 1 --batch 1 -o cut "$@" one.jsonl >/dev/null 2>.err || cat .err
    jq -r .options.data cut/training.json
}
while read -r length frame objective model; do # frame: [CLS] and [SEP]; ALBEF's tokenizer writes [CLS] alone
    kept=$((length - frame))
    set -- -m "$model" --objective "$objective"
    is "$(hash_of "$(words $kept dog)" "$@")" "$(hash_of "$(words $kept red)" "$@")" "$objective of ${model##*/}: cut at $length"
    [ "$(hash_of "$(words $((kept - 1)) dog)" "$@")" != "$(hash_of "$(words $((kept - 1)) red)" "$@")" ]
    report $? 'and no sooner'
done <<END
30 2 itc,itm,lm whole
35 2 itc,itm whole
40 2 lm whole
25 1 itc,mlm $top/tests/golden/albef/pretrain.pth
30 1 itc,itm $top/tests/golden/albef/pretrain.pth
32 2 itc,itg $top/tests/golden/blip2/stage1/blip2_pretrained.pth
END
[ "$(hash_of "$(words 30 dog)" -m whole --objective itc,itm,lm --context 40)" != "$(hash_of "$(words 30 red)" -m whole --objective itc,itm,lm --context 40)" ]
report $? '--context says otherwise'

# the tokenizer that is named is the one that is written
cp -r "$blip/hf-itm" bare
rm bare/tokenizer*.json
ok '--tokenizer' vlm-train -q -m bare --tokenizer "$blip/hf-itm/tokenizer.json" --objective itm --batch 4 --steps 1 -o named web.jsonl
same named/tokenizer.json "$blip/hf-itm/tokenizer.json" 'is written'

# what is refused
status 3 'what a model cannot learn' vlm-train -m "$blip/hf-itm" --objective lm -o no web.jsonl
like "$(cat .err)" 'cannot be taught --objective=lm; it can be taught itc,itm' 'and what it can'
status 3 'a name that is no objective' vlm-train -m "$blip/hf-itm" --objective itc,ltm -o no web.jsonl
like "$(cat .err)" 'ltm is none of' 'and which'
for weight in 0 -1 x '' 1e9 nan 2x; do
    status 3 "a weight of '$weight'" vlm-train -m "$blip/hf-itm" --objective itc,itm:$weight -o no web.jsonl
    like "$(cat .err)" 'a weight after a colon' 'and what one is'
done
status 3 'dropout where there is none' vlm-train -m "$top/tests/golden/clip/hf-vit" --dropout 0.1 -o no web.jsonl
like "$(cat .err)" 'dropout: CLIP.* does not use it with --objective=itc' 'and which'
status 3 'layers to drop where there are none' vlm-train -m "$top/tests/golden/clip/openai-rn.pt" --drop-path 0.1 -o no web.jsonl
like "$(cat .err)" 'drop-path: CLIP.* does not use it' 'and which'
status 3 'a folder that is there' train -o whole
like "$(cat .err)" 'whole is there already' 'and which'
status 3 'no such parameters' train --freeze visoin -o no
like "$(cat .err)" 'freeze=visoin' 'and which'
status 3 'no configuration' vlm-train --init . -o no web.jsonl
status 1 'nothing to learn from' vlm-train -q -m "$blip/hf-itm" --objective itm -o no /dev/null
like "$(cat .err)" 'no pair of an image and a text' 'and why'
status 2 'neither --output nor --resume' vlm-train web.jsonl
status 2 'a queue without momentum' vlm-train -m "$blip/hf-itm" --queue 8 -o no web.jsonl
is "$(ls -d no* 2>/dev/null)" '' 'what is refused writes nothing'
status 1 'a full disk' sh -c 'vlm-train -q -m "$0/hf-itm" --objective itm --steps 1 --batch 4 -o full web.jsonl >/dev/full' "$blip"
finish
