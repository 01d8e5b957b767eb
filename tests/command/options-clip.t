#!/bin/sh
# options-clip.t - every option of the commands has an effect on CLIP or SigLIP, or is refused
. "$(dirname "$0")/tap.sh"
. "$top/tests/command/options.sh"
try=model
for VLM_MODEL in "$golden/clip/hf-vit" "$golden/siglip/hf"; do
    export VLM_MODEL
    mode vlm-embed
    mode vlm-embed --image
    mode vlm-embed --text
    mode vlm-embed --features
    mode vlm-embed --npy made
    mode vlm-sim
    mode vlm-sim --query 'A red;dog_&amp;!'
    mode vlm-sim --labels lines
    mode vlm-sim --near-duplicates -0.9
    refuses vlm-itm
    refuses vlm-caption
done
VLM_MODEL="$golden/clip/openai-rn.pt" mode vlm-embed --image
finish
