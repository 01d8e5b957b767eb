#!/bin/sh
# vlm-embed.t - vectors of images and texts, from paths, URIs, tars and the binary form
. "$(dirname "$0")/tap.sh"
. "$top/tests/command/pictures.sh"
export VLM_MODEL="$top/tests/golden/clip/hf-vit"
picture a.ppm 1
picture b.ppm 2

vlm-embed a.ppm b.ppm >images
is "$(jq -c '[.image, (.image_embedding | length), has("text_embedding")]' images)" '["a.ppm",12,false]
["b.ppm",12,false]' 'images as operands'
is "$(jq -s 'all((.image_embedding | map(. * .) | add - 1 | fabs) < 1e-6)' images)" true 'vectors have length 1'
printf 'a.ppm\nb.ppm\n' | vlm-embed >out
same out images 'names on standard input'
printf 'a.ppm\0b.ppm\0' | vlm-embed -0 >out
same out images 'names that end in NUL'
printf '{"image":"a.ppm"}\n{"image":"b.ppm"}\n' | vlm-embed >out
same out images 'records'
mkdir folder
mv a.ppm b.ppm folder
printf '{"image":"a.ppm"}\n{"image":"b.ppm"}\n' | vlm-embed --root folder >out
same out images 'records below --root'
mv folder/*.ppm .
vectors=$(jq -c .image_embedding images)
for f in a.ppm b.ppm; do
    printf '{"image":"data:image/x-portable-pixmap;base64,%s"}\n' "$(base64 -w 0 $f)"
done | vlm-embed >out
is "$(jq -c .image_embedding out)" "$vectors" 'data: URIs'
is "$(vlm-embed <a.ppm | jq -c .image_embedding)" "$(echo "$vectors" | head -n 1)" 'an image on standard input'
echo 'a dog' >a.txt
cp b.ppm b.img.ppm
tar cf shard.tar --sort=name a.ppm a.txt b.ppm
is "$(vlm-embed shard.tar | jq -c .image_embedding)" "$vectors" 'a WebDataset shard'
is "$(vlm-embed shard.tar | jq -c '[.__key__, .text, (.text_embedding | length)]')" '["a","a dog",12]
["b",null,0]' 'its keys and texts'
is "$(vlm-embed -b shard.tar | vlm-embed --image | jq -c .image_embedding)" "$vectors" \
    'image bytes travel in the binary form'
printf '{"photo":"a.ppm","alt":"a dog","text":"a cat"}\n' |
    vlm-embed --image-field photo --text-field alt >out
is "$(jq -c .image_embedding out)" "$(echo "$vectors" | head -n 1)" '--image-field'
printf '{"text":"a dog"}\n' | vlm-embed >dog
is "$(jq -c .text_embedding out)" "$(jq -c .text_embedding dog)" '--text-field'

printf '{"text":["a dog","a cat"]}\n' | vlm-embed >list
is "$(jq -c '.text_embedding[0]' list)" "$(jq -c .text_embedding dog)" 'a list of texts is a matrix'
is "$(printf '{"captions":["a dog"]}\n' | vlm-embed | jq -c '.text_embedding | [length, (.[0] | length)]')" \
    '[1,12]' 'also a list of one'
is "$(printf '{"text":"%0100d","id":1}\n' 0 | vlm-embed | jq .truncated)" true 'a text that is cut'
is "$(jq 'has("truncated")' dog)" false 'one that is not'
printf '{"image":"a.ppm","text":"a dog","text_embedding":"old"}\n' >both
is "$(vlm-embed both | jq -c 'keys_unsorted')" '["image","text","text_embedding","image_embedding"]' \
    'a field that is there is replaced in its place'
is "$(vlm-embed --image both | jq -c '[has("image_embedding"), .text_embedding]')" '[true,"old"]' --image
is "$(vlm-embed --text both | jq -c '[has("image_embedding"), (.text_embedding | length)]')" '[false,12]' --text
is "$(vlm-embed --raw both | jq '(.text_embedding | map(. * .) | add - 1 | fabs) > 1e-3')" true --raw
for model in albef/retrieval.pth blip/hf-itm blip2/stage1/blip2_pretrained.pth; do
    is "$(vlm-embed --raw -m "$top/tests/golden/$model" both | jq -c '[.image_embedding, .text_embedding | flatten | (map(. * .) | add - 1 | fabs) > 1e-3]')" \
        '[true,true]' "$model too"
done
is "$(vlm-embed --text-tokens both | jq .text_tokens)" 4 --text-tokens

vlm-embed --features -b both >features
is "$(vlm-sim -q features | jq -c '[(.image_features_tower | length), (.image_features | length > 1), has("image_embedding")]')" \
    '[16,true,false]' --features
vlm-embed --npy rows.npy a.ppm missing.ppm b.ppm list >names 2>err
is "$(tr '\n' , <names)" 'a.ppm,b.ppm,,,' '--npy: a name for each row'
is "$(head -c 128 rows.npy | tr -d '\0' | grep -ao "'shape': ([0-9, ]*)")" "'shape': (4, 12)" '--npy: the shape'
is "$(wc -c <rows.npy | tr -d ' ')" $((128 + 4 * 12 * 4)) '--npy: the size'
is "$(tail -c +129 rows.npy | od -An -v -t f4 | tr -s ' \n' '\n' | grep . | head -n 12 | awk '{ printf "%.5f ", $1 }')" \
    "$(echo "$vectors" | head -n 1 | jq -r '.[]' | awk '{ printf "%.5f ", $1 }')" '--npy: the first row'
printf '{"id":7,"text":"a"}\n{"id":"x\\ny","text":"a"}\n' | vlm-embed --npy rows.npy >names
is "$(cat names)" '7
"x\ny"' '--npy: ids'
status 1 '--npy on a full disk' vlm-embed --npy /dev/full a.ppm
yes '{"text":"a"}' 2>/dev/null | vlm-embed --npy left.npy 2>err | head -n 1 >/dev/null
is "$(cat err; ls | grep -c '^left')" 0 '--npy: a reader that leaves early leaves no file'

printf '{"id":1}\n{"text":3}\n{"image":7}\n{"image":"http://a/b.jpg"}\n{"image":"folder"}\n' |
    vlm-embed -q >out
is "$(jq -r .error.code out | tr '\n' ' ')" 'nothing_to_embed invalid invalid unsupported unsupported ' \
    'what cannot be embedded'
status 1 'a full disk' sh -c 'vlm-embed a.ppm >/dev/full'
status 0 'no input' vlm-embed /dev/null
status 3 'a model that is no model' vlm-embed -m a.ppm b.ppm
status 2 '--image and --text' vlm-embed --image --text a.ppm
yes a.ppm 2>/dev/null | vlm-embed 2>err | head -n 1 >/dev/null
is "$(cat err)" '' 'a reader that leaves early'

for i in $(seq 60); do
    case $((i % 6)) in
    0) echo "{\"id\":$i,\"image\":\"none.ppm\"}" ;;
    1 | 2) echo "{\"id\":$i,\"image\":\"a.ppm\",\"text\":\"dog $i\"}" ;;
    3) echo "{\"id\":$i,\"text\":[\"one\",\"two $i\"]}" ;;
    4) echo "{\"id\":$i,\"image\":\"b.ppm\"}" ;;
    *) echo "{\"id\":$i,\"text\":\"$(printf %0${i}d $i)\"}" ;;
    esac
done >in
vlm-embed -q in >wanted
for threads in 1 2 3; do
    for batch in 1 7 32; do
        vlm-embed -q --threads=$threads --batch=$batch in >out
        same out wanted "--threads=$threads --batch=$batch"
    done
done
for i in 1 2 3 4; do vlm-embed -q --shard=$i/4 in; done | jq -r '"\(.id) \(.)"' | sort -n >out
jq -r '"\(.id) \(.)"' wanted | sort -n >sorted
same out sorted 'four shards are the whole'
head -c $(($(wc -c <wanted) / 2)) wanted >out
ok 'resumed in the middle of a record' vlm-embed -q --resume out in
same out wanted 'the same file'

echo '{"text":"a dog on a beach"}' >one-text
vlm-embed one-text >wanted
for how in highest high medium; do
    vlm-embed -v --precision $how one-text >out 2>err
    like "$(cat err)" "precision $how" "--precision $how is said"
done
is "$(vlm-embed --precision highest one-text | cmp - wanted && echo same)" same '... highest is the default'
is "$(jq -n --slurpfile a out --slurpfile b wanted \
    '[$a[0].text_embedding, $b[0].text_embedding] | transpose | map(.[0] * .[1]) | add > 0.99')" true '... medium is near'
status 2 '... another word' vlm-embed --precision low one-text
vlm-convert --dtype int8 "$top/lib/share/default" int8
status 3 '... not with an int8 model' vlm-embed --precision high -m int8 one-text
like "$(cat .err)" 'int8' '... which is said'
finish
