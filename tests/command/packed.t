#!/bin/sh
# packed.t - models whose matrices lie in the order of products: same answers, turned back, refused
. "$(dirname "$0")/tap.sh"
. "$top/tests/command/pictures.sh"
blip=$top/tests/golden/blip
clip=$top/tests/golden/clip
picture a.ppm 1
picture b.ppm 2
numbers() { vlm-convert --verify "$@" | jq -r .numbers; }
answers() {
    vlm-embed -q -m "$1" a.ppm b.ppm
    echo '{"image":"a.ppm","text":"a red dog"}' | vlm-embed -q -m "$1" | sed 's/belongs into [^"]*//'
}

for m in "$clip/hf-vit" "$clip/openai-vit.pt" "$clip/own-bag" "$top/tests/golden/siglip/hf"; do
    name=${m##*/}
    for t in f32 f16 bf16 int8; do
        vlm-convert --dtype $t "$m" plain
        ok "$name, $t: packed" vlm-convert --dtype $t --packed "$m" packed
        ok '... under another name' test -f packed/packed.safetensors -a ! -f packed/model.safetensors
        is "$(answers packed)" "$(answers plain)" '... the same answers'
        is "$(numbers packed)" "$(numbers plain)" '... the same numbers'
        ok '... and back' vlm-convert packed back
        same back/model.safetensors plain/model.safetensors '... the same bytes'
    done
done
for n in 1 3; do
    vlm-convert --dtype int8 --pieces $n "$clip/hf-vit" plain
    ok "$n pieces: packed" vlm-convert --packed plain packed
    for cpu in scalar avx2 avx512 vnni amx; do
        is "$(VLM_CPU=$cpu vlm-embed -q -m packed a.ppm 2>/dev/null)" "$(VLM_CPU=$cpu vlm-embed -q -m plain a.ppm 2>/dev/null)" \
            "... the same answers, $cpu"
        is "$(VLM_CPU=$cpu vlm-embed -v -m packed a.ppm 2>&1 >/dev/null | grep -c 'packed anew')" 0 '... which need no packing'
    done
    ok '... and back' vlm-convert packed back
    same back/model.safetensors plain/model.safetensors '... the same bytes'
done

# A captioner, whose words are read by rows and multiplied.
vlm-convert "$blip/caption.pth" plain
ok 'a captioner' vlm-convert --packed "$blip/caption.pth" packed
is "$(vlm-caption -m packed a.ppm b.ppm)" "$(vlm-caption -m plain a.ppm b.ppm)" '... writes the same'
is "$(numbers packed)" "$(numbers plain)" '... the same numbers'
vlm-convert --dtype int8 --pieces 2 "$blip/pretrain.pth" plain
ok 'a model of all roles' vlm-convert --packed plain packed
for m in packed plain; do
    echo '{"image":"a.ppm","text":"a red dog"}' | vlm-itm -m $m >$m.itm
done
same packed.itm plain.itm '... matches the same'

# A processor of another order packs anew, with the same answers as ever.
VLM_CPU=scalar vlm-convert --packed "$clip/hf-vit" other
is "$(answers other)" "$(answers "$clip/hf-vit")" 'from another processor: the same answers'
case $(vlm-embed -v -m packed a.ppm 2>&1 >/dev/null) in
*scalar*) ;;
*) like "$(vlm-embed -v -m other a.ppm 2>&1 >/dev/null)" 'packed for another processor, packed anew here' '... and -v says so' ;;
esac

# Learning takes the numbers out of the order.
printf '{"image":"a.ppm","text":"a red dog"}\n{"image":"b.ppm","text":"two cats"}\n' >pairs
vlm-convert --packed "$clip/hf-vit" packed
for m in packed "$clip/hf-vit"; do
    vlm-train -q -j1 -m "$m" --objective itc --steps 2 --batch 2 -o "learnt-${m##*/}" pairs >log 2>&1
done
same learnt-packed/model.safetensors learnt-hf-vit/model.safetensors 'it learns the same'

status 2 '--packed and an original file' vlm-convert --packed "$clip/openai-vit.pt" out.pt
status 2 '--packed and --info' vlm-convert --packed --info "$clip/hf-vit"

# What a file says of an order is checked.
broken() {
    cp packed/packed.safetensors old
    LC_ALL=C sed "s/$1/$2/" old >packed/packed.safetensors
    status 3 "$3" vlm-embed -m packed a.ppm
    cp old packed/packed.safetensors
}
name=$(vlm-convert --info packed >/dev/null && LC_ALL=C grep -aoE '"panels[0-9x]+ [0-9]+ [0-9]+"|"fours[0-9x]+ [0-9]+ [0-9]+"' packed/packed.safetensors | head -n 1 | tr -d '"')
order=${name%% *}
size=$(printf %s "$order" | wc -c)
broken "$order " "$(printf '%*s' "$size" '' | tr ' ' x) " 'an unknown order is refused'
broken "$order \([0-9]\)" "$order -" 'a negative count of rows is refused'
broken "$order [0-9]" "$order 9" 'other rows are refused'
finish
