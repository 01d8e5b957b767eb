#!/bin/sh
# options-blip.t - every option of the commands has an effect on BLIP, or is refused
. "$(dirname "$0")/tap.sh"
. "$top/tests/command/options.sh"
try=model
export VLM_MODEL="$golden/blip/itm.pth"
mode vlm-embed
mode vlm-embed --features
mode vlm-sim
mode vlm-itm
mode vlm-itm --queries lines --rerank 20
mode vlm-itm --heatmap maps
VLM_MODEL="$golden/blip/hf-itm" mode vlm-itm
export VLM_MODEL="$golden/blip/caption.pth"
VLM_MODEL="$golden/blip/hf-caption" mode vlm-caption --beam 4 -n 4
mode vlm-caption --sample
VLM_MODEL="$golden/blip/hf-vqa" mode vlm-caption --prompt-field alt
VLM_MODEL="$golden/blip/hf-vqa" mode vlm-caption --answers lines --prompt-field alt
finish
