#!/bin/sh
# options-blip2.t - every option of the commands has an effect on BLIP-2, or is refused
. "$(dirname "$0")/tap.sh"
. "$top/tests/command/options.sh"
try=model
export VLM_MODEL="$golden/blip2/stage1/blip2_pretrained.pth"
mode vlm-embed
mode vlm-embed --features
mode vlm-sim
mode vlm-itm
mode vlm-itm --queries lines --rerank 20
refuses vlm-itm --heatmap maps
VLM_MODEL="$golden/blip2/hf-itm" mode vlm-itm
VLM_MODEL="$golden/blip2/hf-opt" mode vlm-caption
VLM_MODEL="$golden/blip2/hf-opt" mode vlm-caption --sample
VLM_MODEL="$golden/blip2/hf-t5" mode vlm-caption --beam 1
VLM_MODEL="$golden/blip2/opt/blip2.pth" mode vlm-caption --prompt dog
finish
