#!/bin/sh
# options-convert.t - every option of vlm-convert has an effect or is refused, with every family
. "$(dirname "$0")/tap.sh"
. "$top/tests/command/options.sh"
for model in clip/hf-vit siglip/hf albef/pretrain.pth blip/itm.pth blip2/stage1/blip2_pretrained.pth blip2/hf-opt; do
    mode vlm-convert "$golden/$model" made
done
mode vlm-convert "$golden/blip/hf-itm" made.pth
mode vlm-convert --info "$golden/blip/itm.pth"
mode vlm-convert --verify "$golden/blip/itm.pth"
finish
