#!/bin/sh
# options-albef.t - every option of the commands has an effect on ALBEF, or is refused
. "$(dirname "$0")/tap.sh"
. "$top/tests/command/options.sh"
try=model
export VLM_MODEL="$golden/albef/pretrain.pth"
mode vlm-embed
mode vlm-embed --features
mode vlm-sim
mode vlm-itm
mode vlm-itm --queries lines --rerank 20
mode vlm-itm --candidates lines --rerank 20
mode vlm-itm --heatmap maps
mode vlm-caption --fill-mask
VLM_MODEL="$golden/albef/retrieval.pth" mode vlm-itm
VLM_MODEL="$golden/albef/vqa.pth" mode vlm-caption --answers lines --prompt-field alt
finish
