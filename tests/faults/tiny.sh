# tiny.sh - every command on a tiny run; who sources it defines under NAME COMMAND..., which runs a command, its standard
# output to `out`, and reports
. "$top/tests/command/pictures.sh"
golden=$top/tests/golden
web 6 >web.jsonl
printf '%s\n' 'a dog' 'two cats' >lines
under 'vlm-embed, CLIP' vlm-embed -q -j2 -m "$golden/clip/hf-vit" web.jsonl
cp out vectors.jsonl
under 'vlm-embed -b, a ResNet' vlm-embed -q -b -j2 -m "$golden/clip/openai-rn.pt" web.jsonl
under 'vlm-embed --features, BLIP-2' vlm-embed -q --features -b -j2 -m "$golden/blip2/stage1/blip2_pretrained.pth" web.jsonl
under 'vlm-sim' vlm-sim -q vectors.jsonl
under 'vlm-sim --near-duplicates' vlm-sim -q --near-duplicates 0.5 vectors.jsonl
under 'vlm-sim --queries' vlm-sim -q -m "$golden/clip/hf-vit" --queries lines vectors.jsonl
under 'vlm-itm, BLIP' vlm-itm -q -j2 -m "$golden/blip/itm.pth" web.jsonl
under 'vlm-itm, ALBEF' vlm-itm -q -j2 -m "$golden/albef/retrieval.pth" web.jsonl
echo '{"image":["p1.ppm","p2.ppm"],"text":"a red dog"}' >two
under 'vlm-itm, NLVR2 by BLIP' vlm-itm -q -m "$golden/blip/nlvr.pth" two
under 'vlm-itm, NLVR2 by ALBEF' vlm-itm -q -m "$golden/albef/nlvr.pth" two
under 'vlm-itm --heatmap' vlm-itm -q -m "$golden/blip/itm.pth" --heatmap maps web.jsonl
under 'vlm-caption, BLIP' vlm-caption -q -j2 -m "$golden/blip/caption.pth" --max-length 8 web.jsonl
under 'vlm-caption --sample' vlm-caption -q -m "$golden/blip/caption.pth" --sample --max-length 8 web.jsonl
under 'vlm-caption, OPT' vlm-caption -q -m "$golden/blip2/hf-opt" --max-length 8 web.jsonl
under 'vlm-caption, T5' vlm-caption -q -m "$golden/blip2/hf-t5" --max-length 8 web.jsonl
under 'vlm-filter' vlm-filter -q -k 'has(text) && text =~ "a"' --dropped dropped web.jsonl
under 'vlm-filter --resume' vlm-filter -q -k 'has(text)' --resume kept web.jsonl
printf '%s\n' '{"id":1,"image":"p1.ppm","text":"a","itm":0.9,"caption":"b","itm.caption":0.7}' >scored
under 'vlm-filter --capfilt' vlm-filter -q --capfilt scored
printf '%s\n' '{"id":1,"caption":"a dog","references":["a dog runs","the dog"]}' '{"id":2,"caption":"cats","references":["two cats"]}' >captions
under 'vlm-eval, captions' vlm-eval -t caption captions
under 'vlm-eval, retrieval' vlm-eval -t retrieval vectors.jsonl
for kind in 'clip/hf-vit itc' 'blip/pretrain.pth itc,itm,lm' 'albef/pretrain.pth itc,itm,mlm' 'blip2/stage1/blip2_pretrained.pth itc,itm,itg'; do
    under "vlm-train, $kind" vlm-train -q -j2 -m "$golden/${kind% *}" --objective "${kind#* }" --steps 2 --batch 2 -o "taught-${kind%%/*}" web.jsonl
done
for model in clip/openai-vit.pt blip/hf-itm albef/vqa.pth blip2/hf-t5; do
    under "vlm-convert $model" vlm-convert "$golden/$model" "folder-${model%%/*}"
done
under 'vlm-convert --to original' vlm-convert --to original "$golden/blip/hf-itm" file.pth
under 'vlm-convert --dtype int8' vlm-convert --dtype int8 "$golden/blip/itm.pth" bytes
under 'vlm-convert --info' vlm-convert --info "$golden/clip/openai-vit.pt"
under 'vlm-page' vlm-page -q -o page.html web.jsonl
