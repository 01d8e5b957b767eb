#!/bin/sh
# vlm-train-features.t - learning from what the image tower made once is learning from the pictures
. "$(dirname "$0")/tap.sh"
. "$top/tests/command/pictures.sh"
export VLM_BLAS=none # it starts sooner
golden=$top/tests/golden

web 8 >all.jsonl
grep -v broken all.jsonl >web.jsonl
# a tower of convolutions with released numbers, an encoder that takes the mean
ok 'a new BLIP with EfficientNet-Lite' vlm-train -q --init "$golden/convolving" \
    --init-from "$golden/efficientnet.safetensors" --freeze vision. --objective itc,itm,lm --steps 1 --batch 2 --lr 1e-9 \
    -o net web.jsonl
like "$(vlm-convert --info net)" '"about":"BLIP EfficientNet-Lite@40, pre-training' 'it says so'
mkdir both
cp "$golden"/blip/hf-itm/*.json both
sed -i 's/"BlipForImageTextRetrieval"/"BlipForImageTextRetrieval", "BlipForConditionalGeneration"/' both/config.json
vlm-train -q --init both --objective itc --steps 1 --batch 2 -o blip web.jsonl >/dev/null

# NAME MODEL OBJECTIVES
learn() {
    run=$1
    options="-q -m $2 --objective $3 --batch 4 --steps 2 --lr 1e-3 --log-every 1"
    ok "$run: features" sh -c "vlm-embed -b -q -m $2 --features web.jsonl >$run.cbor"
    # shellcheck disable=SC2086
    ok "$run: learns from them" vlm-train $options --features -o $run.f $run.cbor
    jq -c .loss .out >$run.losses
    # shellcheck disable=SC2086
    ok "$run: and from the pictures" vlm-train $options --freeze vision. -o $run.p web.jsonl
    is "$(jq -s '.[0]' "$run.losses" | jq --argjson p "$(jq -s '.[0].loss' .out)" '(. - $p | fabs) < 5e-3 * $p')" true \
        "$run: the loss is the same but for 16-bit rounding"
    # shellcheck disable=SC2002,SC2086
    ok "$run: from a pipe" sh -c "cat $run.cbor | vlm-train $options --features -o $run.s -"
    same "$run.s/model.safetensors" "$run.f/model.safetensors" "$run: the same bytes"
}
learn net net itc,itm,lm
learn blip blip itc,itm,lm
learn albef "$golden/albef/pretrain.pth" itc,itm,mlm
learn blip2 "$golden/blip2/stage1/blip2_pretrained.pth" itc,itm,itg
learn clip "$golden/clip/hf-vit" itc

# CLIP's projection counts as part of its tower, and learns; LAVIS's file has other types of numbers
for run in net blip; do
    is "$(vlm-embed -q -m $run.f --features web.jsonl | jq -r .image_features_tower | sort -u)" \
        "$(vlm-embed -q -m $run --features web.jsonl | jq -r .image_features_tower | sort -u)" "$run: the features serve again"
done
ok 'with momentum' vlm-train -q -m net --objective itc,itm,lm --momentum 0.9 --batch 4 --steps 2 --features -o momentum net.cbor
ok 'vlm-itm takes them of the model that learnt' vlm-itm -q -m net.f net.cbor
ok 'and vlm-caption' vlm-caption -q -m net.f net.cbor
is "$(vlm-caption -q -m net.f net.cbor | jq -c .caption)" "$(vlm-caption -q -m net.f web.jsonl | jq -c .caption)" 'the captions are those of the pictures'

# what is refused
status 1 'features of another tower' vlm-train -m net --features -o no blip.cbor
like "$(cat .err)" 'another vision tower' '... and why'
status 1 'records without features' vlm-train -m net --features -o no web.jsonl
like "$(cat .err)" 'no image_features' '... and why'
for option in '--crop 0.5' --flip '--randaugment 2,5' --random-background '--drop-path 0.1'; do
    # shellcheck disable=SC2086
    status 2 "$option beside features" vlm-train -m net --features $option -o no net.cbor
done

# int8 and back
ok 'int8' vlm-convert --dtype int8 --once net.f net8
like "$(vlm-convert --info net8)" 'EfficientNet-Lite@40, pre-training, Hugging Face layout, f16' 'the filters have 16 bits'
ok 'it writes' vlm-caption -q -m net8 p1.ppm
finish
