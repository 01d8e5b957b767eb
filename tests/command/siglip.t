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
text='{"text":"a_b, C!"}'
is "$(echo "$text" | vlm-embed -m copy)" "$(echo "$text" | vlm-embed)" 'texts are cleaned as before'

# NaFlex: pictures keep their shape
cp "$top"/tests/golden/images/*.png .
cp -r "$top/tests/golden/siglip/naflex" naflex
cp "$VLM_MODEL/tokenizer.json" naflex
like "$(vlm-convert --info naflex | jq -r .about)" 'SigLIP 2 NaFlex ViT of 2 layers, width 32, 14 squares of 4' 'NaFlex is named'
is "$(vlm-embed -m naflex --batch 8 *.png)" "$(vlm-embed -m naflex --batch 1 *.png)" 'pictures beside it change nothing'
vlm-convert naflex again
is "$(vlm-embed -m again *.png)" "$(vlm-embed -m naflex *.png)" 'NaFlex is written and read again'
status 3 'it has no features of one shape' vlm-embed -m naflex --features a.png
status 3 'pictures have no size' vlm-embed -m naflex --image-size 32 a.png
for m in "$VLM_MODEL" naflex; do
    for p in a.png bits.png grey-16.png; do
        printf '{"image":"%s","text":"a photo of %s"}\n' $p $p
    done | vlm-train -m "$m" --objective itc --steps 3 --batch 3 --crop 0.5 -o learned-"${m##*/}"
    is "$(vlm-embed -m learned-"${m##*/}" a.png | jq '.image_embedding | length')" 32 "${m##*/} learns"
done
finish
