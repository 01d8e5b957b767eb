#!/bin/sh
# checkpoint.t - a model's folder is one thing: what belongs together is used together, and what
# changes the result is followed or refused
. "$(dirname "$0")/tap.sh"
. "$top/tests/command/pictures.sh"
clip=$top/tests/golden/clip
blip=$top/tests/golden/blip
picture a.ppm 1
picture b.ppm 2
take() { rm -rf "$2" && cp -r "$1" "$2" && chmod -R u+w "$2"; } # FOLDER COPY
edit() { jq "$1" "$2" >edited && cp edited "$2"; }               # EXPRESSION FILE
vector() { vlm-embed --image -m "$@" a.ppm | jq -c .image_embedding; }
hf=$(vector "$clip/hf-vit")
open=$(vector "$clip/open_clip-gelu")

# two layouts in a folder
take "$clip/hf-vit" two
cp "$clip/open_clip-gelu/open_clip_config.json" two
is "$(vector two)" "$hf" 'the configuration that the tensors belong to'
cp "$clip/open_clip-gelu/open_clip_model.safetensors" two
is "$(vector two)" "$hf" 'of two complete pairs one'
echo '{"architecture":"vit_tiny_patch8"}' >two/config.json
is "$(vector two)" "$open" 'a config.json of another library does not count'
take "$clip/open_clip-gelu" plain
edit .model_cfg plain/open_clip_config.json
edit 'del(.preprocess_cfg)' two/open_clip_config.json
is "$(vector plain)" "$(vector two)" "open_clip's own configuration, without the outer object"

# where in a folder the model is
mkdir module
echo '[{"idx":0,"name":"0","path":"0_Model","type":"sentence_transformers.models.CLIPModel"}]' >module/modules.json
cp -r "$clip/hf-vit" module/0_Model
is "$(vector module)" "$hf" "the first module's folder"
edit '.[0].path = "../two"' module/modules.json
status 3 'a module outside' vlm-embed -m module a.ppm
mkdir -p hub/models--some--clip/snapshots hub/models--some--clip/refs
cp -r "$clip/hf-vit" hub/models--some--clip/snapshots/0a1b
mkdir hub/models--some--clip/snapshots/ffff
printf 0a1b >hub/models--some--clip/refs/main
is "$(vector hub/models--some--clip)" "$hf" 'a snapshot of the hub'"'"'s cache'
is "$(HF_HUB_CACHE=$work/hub vector some/clip)" "$hf" '... by the name that the hub has for it'
status 3 '... which is not there' env HF_HUB_CACHE="$work/hub" vlm-embed -m other/clip a.ppm
mkdir -p out/checkpoint-9 out/checkpoint-nine
cp -r "$clip/hf-vit" out/checkpoint-10
is "$(vector out)" "$hf" "a trainer's last checkpoint"
mkdir adapter
cp "$clip/hf-vit/config.json" adapter
echo '{"peft_type":"LORA","base_model_name_or_path":"some/base"}' >adapter/adapter_config.json
status 3 'an adapter without its model' vlm-embed -m adapter a.ppm
like "$(cat .err)" 'adapter' '... says what it is'

like "$(cat .err)" 'some/base' '... and of which model it is'

# a tokenizer that cannot be read
take "$blip/hf-itm" broken
echo garbage >broken/tokenizer.json
echo '{"image":"a.ppm","text":"a dog"}' >one
status 3 'a broken tokenizer' vlm-itm -m broken one
is "$(cat .out)" '' '... is found before the first record'
ok '... and does not matter to pictures alone' vlm-embed -m broken --image a.ppm

# how pictures are prepared
take "$clip/hf-vit" old
edit '.image_mean=[0.5,0.4,0.3] | .do_center_crop=false | .size={height:32,width:32}' old/preprocessor_config.json
take old new
jq '{image_processor:., processor_class:"CLIPProcessor"}' old/preprocessor_config.json >new/processor_config.json
rm new/preprocessor_config.json
is "$(vector new)" "$(vector old)" 'processor_config.json'
ok '... is not without effect' test "$(vector new)" != "$hf"
cp "$clip/hf-vit/preprocessor_config.json" new
is "$(vector new)" "$(vector old)" '... wins over the older file'

# transparency: transformers lays pictures on white, the authors' code drops alpha
head='\0\0\2\0\0\0\0\0\0\0\0\0\2\0\2\0'
printf "$head"'\40\50\12\24\36\0\12\24\36\377\144\144\144\200\310\1\2\0' >clear.tga
printf "$head"'\30\40\377\377\377\12\24\36\261\261\261\377\377\377' >white.tga
printf "$head"'\30\40\12\24\36\12\24\36\144\144\144\310\1\2' >dropped.tga
features() { vlm-embed --features -m "$@" | jq -c .image_features; }
is "$(features "$clip/hf-vit" clear.tga)" "$(features "$clip/hf-vit" white.tga)" 'CLIP: on white'
ok '... but with --compat=original' test "$(features "$clip/hf-vit" --compat original clear.tga)" != \
    "$(features "$clip/hf-vit" --compat original white.tga)"
for m in "$blip/hf-caption" "$top/tests/golden/blip2/hf-itm"; do
    is "$(features "$m" clear.tga)" "$(features "$m" white.tga)" "${m##*/}: on white"
    is "$(features "$m" --compat original clear.tga)" "$(features "$m" --compat original dropped.tga)" \
        '... or dropped, with --compat=original'
done
is "$(features "$blip/caption.pth" clear.tga)" "$(features "$blip/caption.pth" dropped.tga)" \
    "the authors' file: dropped"

# settings that change what is computed
take "$blip/hf-itm" relu
edit '.text_config.hidden_act="relu"' relu/config.json
status 3 "BLIP's text_config.hidden_act" vlm-itm -m relu one
like "$(cat .err)" 'text_config: hidden_act' '... and which'
take "$blip/hf-itm" cased
rm cased/tokenizer.json
cp "$blip/vocab.txt" cased
echo '{"do_lower_case":false}' >cased/tokenizer_config.json
status 3 'do_lower_case' vlm-itm -m cased one
like "$(cat .err)" 'tokenizer_config.json: texts are not folded' '... and which'
take "$clip/hf-vit" swish
edit '.vision_config.hidden_act="mish"' swish/config.json
status 3 'an activation that is not known' vlm-embed -m swish a.ppm

# lengths
status 3 'more than the decoder has positions for' vlm-caption -m "$blip/hf-vqa" --prompt what --max-length 4000 a.ppm
like "$(cat .err)" 'writes at most [0-9]+ tokens; asked for 4000' '... says how many'
status 2 'a least length over the largest' vlm-caption --min-length 30 --max-length 20 a.ppm
ok 'the least temperature is one' vlm-caption --sample --temperature 0.01 a.ppm

# the temperature that a file has
printf 'a dog\ntwo cats\n' >labels
for m in "$blip/pretrain.pth" "$top/tests/golden/blip2/stage1/blip2_pretrained.pth"; do
    ok "${m##*/}: --labels divides by its temperature" test "$(vlm-sim -m "$m" --labels labels a.ppm | jq .prob)" != \
        "$(vlm-sim -m "$m" --labels labels --scale 1 a.ppm | jq .prob)"
done
finish
