#!/bin/sh
# vocabulary.t - an author's file alone in a folder: its vocabulary is installed with the programs
. "$(dirname "$0")/tap.sh"
. "$top/tests/command/pictures.sh"
picture a.ppm 1
picture b.ppm 2
printf '{"image":"%s","text":"%s"}\n' a.ppm 'a red CAT' b.ppm "it isn't a dog" >records
installed=$build/share/vlm/vocabularies

# clip COUNT FILE: a CLIP that knows so many ids, written as its authors write theirs; blip likewise
clip() {
    mkdir -p new && cat >new/config.json <<EOF
{"model_type":"clip","projection_dim":8,
"vision_config":{"image_size":32,"patch_size":16,"hidden_size":64,"intermediate_size":256,
    "num_hidden_layers":1,"num_attention_heads":1},
"text_config":{"vocab_size":$1,"hidden_size":64,"intermediate_size":256,"num_hidden_layers":1,
    "max_position_embeddings":77,"num_attention_heads":1,"eos_token_id":$(($1 - 1))}}
EOF
    rm -rf out
    vlm-train --init=new --tokenizer="$installed/bpe_simple_vocab_16e6.txt.gz" --objective itc --steps 1 \
        --batch 2 -o out records >.out 2>.err && vlm-convert out "$2"
}
blip() {
    mkdir -p newer && cat >newer/config.json <<EOF
{"model_type":"blip","architectures":["BlipForImageTextRetrieval","BlipForConditionalGeneration"],
"image_text_hidden_size":8,
"text_config":{"vocab_size":$1,"hidden_size":16,"encoder_hidden_size":16,"intermediate_size":32,
    "num_hidden_layers":1,"num_attention_heads":2,"bos_token_id":$(($1 - 2))},
"vision_config":{"hidden_size":16,"intermediate_size":32,"num_hidden_layers":1,"num_attention_heads":2,
    "image_size":32,"patch_size":16}}
EOF
    rm -rf out
    vlm-train --init=newer --tokenizer="$installed/bert-base-uncased.txt" --objective itc --steps 1 \
        --batch 2 -o out records >.out 2>.err && vlm-convert out "$2"
}
text() { vlm-embed --text "$@" records | jq -c .text_embedding; }
itm() { vlm-itm "$@" records | jq -c .itm_logit; }

mkdir alone
ok "a new model is written as OpenAI's file" clip 49408 alone/clip.pt
text -m alone/clip.pt >found
text -m alone/clip.pt --tokenizer "$installed/bpe_simple_vocab_16e6.txt.gz" >named
same found named "OpenAI's file alone reads texts"
ok '... with different vectors' test "$(sort -u found | wc -l)" = 2
text -m alone/clip.pt --tokenizer "$top/tests/golden/clip/hf-vit" >other
ok '... --tokenizer still wins' test -s other -a "$(cat other)" != "$(cat found)"
cp "$top/tests/golden/clip/hf-vit/tokenizer.json" alone
text -m alone/clip.pt >beside
same beside other '... and so does what lies beside the model'
rm alone/tokenizer.json
like "$(vlm-convert --info alone/clip.pt | jq -r .tokenizer)" 'share/vlm/vocabularies/bpe' '--info names it'
ok 'it becomes a folder' vlm-convert alone/clip.pt folder
text -m folder --compat original >converted
same converted found '... which has the vocabulary'

ok "a BLIP is written as its authors' file" blip 30524 alone/blip.pth
itm -m alone/blip.pth >found
itm -m alone/blip.pth --tokenizer "$installed/bert-base-uncased.txt" >named
same found named "BLIP's file alone matches texts"
ok '... and captions' vlm-caption -m alone/blip.pth a.ppm
like "$(jq -r .caption .out)" '[a-z]' '... in words'

clip 49409 alone/other.pt
ok 'a model of another number of ids gets none' \
    sh -c '! vlm-embed --text -m alone/other.pt records >got 2>said && grep -q "without a tokenizer" said'
blip 30525 alone/other.pth
status 3 '... a BLIP neither' vlm-itm -m alone/other.pth records

(cd "$top" && make -s install BUILD="${BUILD:-build}" DESTDIR="$work/root" PREFIX=/usr) >/dev/null 2>.err
mv root/usr elsewhere
elsewhere/bin/vlm-itm -m alone/blip.pth records | jq -c .itm_logit >moved
same moved found 'an installation that was moved finds them'
ok '... at most 3 MB' test "$(du -sk elsewhere/share/vlm/vocabularies | cut -f1)" -le 3000
ok '... with their licences' grep -q 'Apache License' elsewhere/share/vlm/vocabularies/LICENCES
finish
