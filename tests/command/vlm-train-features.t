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
# its places averaged, the lower layer of text never looking at the image, products of embeddings matched
mkdir upper
cp "$golden"/convolving/* upper
sed -i 's/"image_text/"match_products":true,&/; s/"stem_size"/"pooled_grid":1,&/; s/"pooling"/"fusion_layer":1,&/' upper/config.json
ok 'a new BLIP whose upper layers look' vlm-train -q --init upper \
    --init-from "$golden/efficientnet.safetensors" --freeze vision. --objective itc,itm,lm --steps 1 --batch 2 --lr 1e-9 \
    -o pooled web.jsonl
is "$(jq -c '[.match_products, .vision_config.pooled_grid, .text_config.fusion_layer]' pooled/config.json)" '[true,1,1]' 'and says so'
is "$(grep -ao 'layer\.[0-9]\.crossattention\.self\.key\.weight' pooled/model.safetensors | sort -u | wc -l)" 1 \
    'the upper layer alone has what looks'
ok 'it matches' vlm-itm -q -m pooled web.jsonl
ok 'and writes' vlm-caption -q -m pooled web.jsonl
sed -i 's/"fusion_layer":1/"fusion_layer":2/' upper/config.json
status 3 'no layer that looks' vlm-train -q --init upper --objective itc --steps 1 -o none web.jsonl
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
learn pooled pooled itc,itm,lm

# layers that do not learn are run once for a text, and say in a later epoch what they would say again
for run in all kept; do
    set -- --objective itc,itm,lm --batch 2 --epochs 3 --lr 1e-12 --log-every 1
    [ $run = all ] || for part in words positions types norm layer.0 layer.1.self layer.1.fc layer.1.norm; do
        set -- "$@" --freeze "encoder.$part" --freeze "decoder.$part"
    done
    ok "$run: learns" vlm-train -q -m pooled --features "$@" -o "pooled.$run" pooled.cbor
    jq -c '[.itc, .itm, .lm]' .out >"losses.$run"
done
is "$(jq -cs 'length' losses.kept)" "$(jq -cs 'length' losses.all)" 'as many steps'
is "$(jq -c 'map(. * 1e4 | round)' losses.kept)" "$(jq -c 'map(. * 1e4 | round)' losses.all)" 'the same losses'
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
