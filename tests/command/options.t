#!/bin/sh
# options.t - every option of the filters without a model, and of vlm-embed, has an effect or is
# refused
. "$(dirname "$0")/tap.sh"
. "$top/tests/command/options.sh"
mode vlm-filter --keep 'x > 1'
mode vlm-filter --top 2
mode vlm-filter --capfilt
mode vlm-filter --histogram
mode vlm-page
mode vlm-page --dropped pairs
mode vlm-page --sample 3 --score none
mode vlm-page -o made.html
export VLM_MODEL="$golden/clip/hf-vit"
mode vlm-embed
finish
