#!/bin/sh
# siglip.t - SigLIP in the filters: pairs, labels, and what it cannot do
. "$(dirname "$0")/tap.sh"
export VLM_MODEL="$top/tests/golden/siglip/hf"
cp "$top/tests/golden/clip/picture.png" a.png
printf '%s\n' 'a cat' 'a red bicycle' >labels
like "$(vlm-convert --info "$VLM_MODEL" | jq -c '[.family, .can]')" '"siglip",\["embed images","embed texts"' 'what it is'
# of the model's file: logit_scale 1.5, logit_bias -2.5
sim() { printf '{"image":"a.png","text":"%s"}\n' "$1" | vlm-sim | jq .sim; }
is "$(vlm-sim --labels labels --top 2 a.png | jq -c '[.labels, .probs] | transpose | sort | map(.[1] * 100000 | round)')" \
    "$(jq -nc --argjson a "$(sim 'a cat')" --argjson b "$(sim 'a red bicycle')" \
        '[$a, $b] | map(1 / (1 + (-((1.5 | exp) * . - 2.5) | exp)) * 100000 | round)')" \
    'each label has its own probability'
is "$(echo '{"text":"A CAT"}' | vlm-embed | jq -c .text_embedding)" \
    "$(echo '{"text":"a cat"}' | vlm-embed | jq -c .text_embedding)" 'capitals are small letters'
is "$(echo '{"text":"a, cat!"}' | vlm-embed --compat original | jq -c .text_embedding)" \
    "$(echo '{"text":"a cat"}' | vlm-embed --compat original | jq -c .text_embedding)" 'the original takes punctuation out'
status 3 'it writes no captions' vlm-caption a.png
vlm-convert "$VLM_MODEL" copy
is "$(vlm-embed -m copy a.png)" "$(vlm-embed a.png)" 'written and read again'
finish
