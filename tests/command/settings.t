#!/bin/sh
# settings.t - what a folder says beside its weights: each setting is followed or refused by name
. "$(dirname "$0")/tap.sh"
. "$top/tests/command/pictures.sh"
clip=$top/tests/golden/clip
blip=$top/tests/golden/blip
picture a.ppm 1
take() { rm -rf "$2" && cp -r "$1" "$2" && chmod -R u+w "$2"; } # FOLDER COPY
edit() { jq "$1" "$2" >edited && cp edited "$2"; }               # EXPRESSION FILE
vector() { vlm-embed --image -m "$@" a.ppm | jq -c .image_embedding; }
hf=$(vector "$clip/hf-vit")
echo '{"image":"a.ppm","text":"a dog"}' >one
mkdir module adapter
echo '[{"idx":0,"name":"0","path":"0_Model","type":"sentence_transformers.models.CLIPModel"}]' >module/modules.json
cp -r "$clip/hf-vit" module/0_Model
cp "$clip/hf-vit/config.json" adapter

# what a processor does, and what it does where nothing is said
pre() { take "$clip/hf-vit" pre && edit "$1" pre/preprocessor_config.json; }
refused() { # NAME PATTERN COMMAND...
    name=$1 pattern=$2
    shift 2
    status 3 "$name" "$@"
    like "$(cat .err)" "$pattern" '... and says which'
}
for e in '.size={shortest_edge:32,longest_edge:48}' '.size={longest_edge:32}' '.size={}' \
    '.size={height:40,width:32}' 'del(.crop_size)' '.image_processor_type="ConvNextImageProcessor"' \
    '.do_pad=true | .pad_size={height:40,width:40}' '.image_mean=0.5' '.resample=4' \
    '.crop_size={height:24,width:24}' '.do_center_crop=false'; do
    pre "$e"
    refused "$e" 'preprocessor_config.json' vlm-embed -m pre a.ppm
done
pre 'del(.size)'
vector pre >said
pre '.size={shortest_edge:224}'
is "$(cat said)" "$(vector pre)" 'without a size it is 224, whatever the model takes'
pre 'del(.image_mean, .image_std, .resample, .do_convert_rgb, .rescale_factor)'
is "$(vector pre)" "$hf" "what is not said is the processor's own"
pre '.image_processor_type="SiglipImageProcessor" | .do_center_crop=false | .size={height:32,width:32} | del(.image_mean, .image_std)'
vector pre >said
pre '.do_center_crop=false | .size={height:32,width:32} | .image_mean=[0.5,0.5,0.5] | .image_std=[0.5,0.5,0.5]'
is "$(cat said)" "$(vector pre)" "another processor's own"
pre '.image_processor_type="CLIPFeatureExtractor"'
is "$(vector pre)" "$hf" "an older release's name"
pre '.do_pad=true | .pad_size={height:32,width:32}'
is "$(vector pre)" "$hf" 'padding to the size that there is'

# what lies beside a vocabulary
words='a red dog runs and two cats sit on a car'
set_tokenizer() { take "$clip/hf-vit" tok && edit "$1" tok/tokenizer_config.json; }
text() { echo "{\"text\":\"$1\"}" | vlm-embed --text -m tok | jq -c .text_embedding; }
take "$clip/hf-vit" tok
all=$(text "$words")
set_tokenizer '.model_max_length=6'
is "$(text "$words")" "$(text 'a red dog runs with the man')" 'model_max_length cuts texts'
ok '... and they are others then' test "$(text "$words")" != "$all"
set_tokenizer '.model_max_length=1e30'
is "$(text "$words")" "$all" '... or does not'
take "$clip/hf-vit" tok
edit '.truncation={direction:"Right",max_length:8,strategy:"LongestFirst",stride:0}' tok/tokenizer.json
refused 'texts that a processor cuts elsewhere' 'tokenizer.json: truncation: max_length' vlm-embed --text -m tok one
edit '.model_max_length=8' tok/tokenizer_config.json
is "$(text "$words")" "$(text 'a red dog runs and two')" '... unless model_max_length says the same'
edit '.truncation.max_length=77' tok/tokenizer.json
ok '... or it is at least what the model takes' vlm-embed --text -m tok one
set_tokenizer '.truncation_side="left"'
refused 'texts that are cut at their beginning' 'tokenizer_config.json' vlm-embed --text -m tok one
set_tokenizer '.bos_token="dog"'
refused 'another beginning' 'bos_token "dog"' vlm-embed --text -m tok one
take "$clip/hf-vit" tok
echo '{"eos_token":{"content":"dog"}}' >tok/special_tokens_map.json
refused 'another end, in an older file' 'special_tokens_map.json: eos_token' vlm-embed --text -m tok one
set_tokenizer '.added_tokens_decoder={"42":{"content":"dog","special":true}}'
refused 'a special token in the place of another' '"dog" is to be 42' vlm-embed --text -m tok one
for e in '.normalizer=null' '.post_processor=null' '.pre_tokenizer=null' '.model.dropout=0.5' \
    '.normalizer.normalizers |= map(select(.type != "Lowercase"))'; do
    take "$clip/hf-vit" tok
    edit "$e" tok/tokenizer.json
    is "$(text "$words")" "$all" "$e: CLIPTokenizer makes its own"
    edit '.tokenizer_class="PreTrainedTokenizerFast"' tok/tokenizer_config.json
    refused '... another class follows it' 'tokenizer.json: texts are not cleaned' vlm-embed --text -m tok one
done

# a word's apostrophe, which transformers 5 joins where the folder asks for it
take "$blip/hf-caption" apart
is "$(vlm-caption -m apart --prompt "a dog ' s car , it ." a.ppm | jq -r .error.code)" null 'a folder that joins nothing'

# other settings
for e in '.text_config.tie_word_embeddings=false' '.text_config.max_new_tokens=4' \
    '.text_config.sequence_bias=[[[4],9]]'; do
    take "$blip/hf-caption" set
    edit "$e" set/config.json
    refused "$e" 'text_config' vlm-caption -m set a.ppm
done
take "$clip/hf-vit" set
edit '.text_config.hidden_act="gelu_fast"' set/config.json
text_of() { echo '{"text":"a dog"}' | vlm-embed --text -m "$1" | jq -c .text_embedding; }
text_of set >said
edit '.text_config.hidden_act="gelu_new"' set/config.json
is "$(text_of set)" "$(cat said)" 'gelu_fast is gelu_new'

# sentence-transformers: what stands behind the first module
edit '. + [{idx:1,name:"1",path:"1_N",type:"sentence_transformers.models.Normalize"}]' module/modules.json
is "$(vector module)" "$hf" 'a module that normalises'
edit '. + [{idx:2,name:"2",path:"2_D",type:"sentence_transformers.models.Dense"}]' module/modules.json
refused 'a module that does more' 'models.Dense' vlm-embed -m module a.ppm
edit 'del(.[2])' module/modules.json
echo '{"prompts":{"query":"find "},"default_prompt_name":"query"}' >module/config_sentence_transformers.json
refused 'a prompt before every text' 'the prompt "query"' vlm-embed -m module a.ppm

# adapters that do more than W + s B A
adapter() { jq -n "{peft_type:\"LORA\",base_model_name_or_path:\"$clip/hf-vit\",r:2,lora_alpha:4} + $1" >adapter/adapter_config.json; }
for e in '{use_dora:true}' '{modules_to_save:["visual_projection"]}' '{alpha_pattern:{q_proj:-8}}' \
    '{init_lora_weights:"pissa"}' '{lora_bias:true}' '{alora_invocation_tokens:[1]}' '{bias:"all"}' \
    '{target_parameters:["a.b"]}' '{layer_replication:[[0,1]]}'; do
    adapter "$e"
    refused "$e" 'adapter_config.json: ' vlm-embed -m adapter a.ppm
done
adapter '{}'
take "$clip/hf-vit" both
cp adapter/adapter_config.json both
status 3 'weights and an adapter: the adapter counts, as in transformers' vlm-embed -m both a.ppm

# options that the model cannot follow
refused '--compat=hf of a file that has no such tradition' 'compat=hf' \
    vlm-embed -m "$clip/open_clip-gelu" --compat hf a.ppm
finish
