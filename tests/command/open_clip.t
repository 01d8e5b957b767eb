#!/bin/sh
# open_clip.t - open_clip's models of other towers in the filters: pairs, labels, writing, and what is refused
. "$(dirname "$0")/tap.sh"
golden="$top/tests/golden/open_clip"
cp "$top/tests/golden/clip/picture.png" a.png
about() { vlm-convert --info "$golden/$1" | jq -r .about; }
is "$(about siglip2)" 'SigLIP vit_so400m_patch16_siglip_256, open_clip layout, f32' 'a tower of timm is named'
is "$(about roberta)" 'CLIP ViT of 2 layers, width 24, squares of 8 in 32 with xlm-roberta-base, open_clip layout, f32' '... and one of Hugging Face'
like "$(about metaclip2)" '^MetaCLIP 2 ' 'MetaCLIP 2 is known'
# the vector of a.png by a model, which is there
vector() {
    vlm-embed -m "$1" a.png | jq -c '.image_embedding // error'
}
for m in siglip2 eva02 convnext roberta metaclip2; do
    vlm-convert "$golden/$m" copy.$m 2>.err
    is "$(vector copy.$m || echo none)" "$(vector "$golden/$m")" "$m: written and read again"
done
is "$(ls copy.eva02)" "$(ls "$golden/eva02")" '... under the names that open_clip looks for'
is "$(jq -cS . copy.eva02/open_clip_config.json)" "$(jq -cS . "$golden/eva02/open_clip_config.json")" '... with its configuration'
like "$(jq -r .model_type copy.metaclip2/config.json)" '^metaclip_2$' 'MetaCLIP 2 stays what it is'
vlm-convert "$golden/big_vision.npz" hf 2>.err
is "$(vector hf || echo none)" "$(vector "$golden/big_vision.npz")" 'an .npz becomes a folder of Hugging Face'
tokenizer="$top/tests/golden/siglip/hf"
printf '%s\n' 'a cat' 'a red bicycle' >labels
is "$(vlm-sim -m "$golden/big_vision.npz" --tokenizer "$tokenizer" --labels labels a.png | jq -c '[.label, .prob] // error')" \
    "$(vlm-sim -m hf --compat original --tokenizer "$tokenizer" --labels labels a.png | jq -c '[.label, .prob] // error')" '... and judges labels as that does'
# SigLIP 2 with a vocabulary of letters, as Gemma's file has it
mkdir sig
cp "$golden/siglip2/"* sig
jq -n '{"<pad>": 0, "<eos>": 1, "<bos>": 2, "<unk>": 3, "\u2581": 4} as $first |
    {model: {type: "BPE", byte_fallback: true, merges: [], vocab: ($first + ([range(97; 123)] | with_entries({key: ([.value] | implode), value: (.key + 5)})))},
     added_tokens: [$first | to_entries[:4][] | {id: .value, content: .key, special: true}]}' >sig/tokenizer.json
sim() { printf '{"image":"a.png","text":"%s"}\n' "$1" | vlm-sim -m sig | jq .sim; }
# of the model's file: logit_scale 1.5, logit_bias -2.5
is "$(vlm-sim -m sig --labels labels --top 2 a.png | jq -c '[.labels, .probs] | transpose | sort | map(.[1] * 100000 | round)')" \
    "$(jq -nc --argjson a "$(sim 'a cat')" --argjson b "$(sim 'a red bicycle')" \
        '[$a, $b] | map(1 / (1 + (-((1.5 | exp) * . - 2.5) | exp)) * 100000 | round)')" 'each label has its own probability'
is "$(sim 'A,  CAT!')" "$(sim 'a cat')" 'texts are canonical'
for i in 1 2; do
    printf '{"image":"a.png","text":"a cat"}\n{"image":"a.png","text":"a dog"}\n'
done >pairs
vlm-train -q -m sig --objective itc --steps 2 --batch 2 -o taught pairs 2>.err
is "$(vector taught | jq length)" 32 'what is taught is written and read again'
like "$(ls taught | tr '\n' ' ')" 'open_clip_config.json open_clip_model.safetensors .*tokenizer.json' '... in the layout that it had'
like "$(vlm-sim -m sig --tokenizer "$top/tests/golden/siglip/hf" --labels labels a.png 2>&1)" 'the model knows 150' 'a vocabulary that is too large is refused'
edit_name() { # FILE OLD NEW
    sed "s/$2/$3/" "$1" >edited && cp edited "$1"
}
edit_name sig/open_clip_config.json vit_so400m_patch16_siglip_256 swin_base_patch4_window7_224
status 3 'a tower that is not known' vlm-embed -m sig a.png
like "$(cat .err)" "timm's image tower swin_base_patch4_window7_224 is not known here" '... is refused by its name'
finish
