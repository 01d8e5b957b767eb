#!/bin/sh
# vlm-train-options.t - every option has an effect on what a run says or writes, or is refused, for
# every family
. "$(dirname "$0")/tap.sh"
. "$top/tests/command/pictures.sh"
export VLM_BLAS=none # it starts sooner
golden=$top/tests/golden

web 8 | sed 's/two cats/Two cats -- (the #best)/' >web.jsonl
cp "$golden/images/grey-alpha.png" .
echo '{"image":"grey-alpha.png","text":"a picture of it"}' >>web.jsonl
mkdir both new
cp "$golden"/blip/hf-itm/*.json both
sed -i 's/"BlipForImageTextRetrieval"/"BlipForImageTextRetrieval", "BlipForConditionalGeneration"/' both/config.json
vlm-train -q --init both --objective itc,itm,lm --steps 1 --batch 2 -o blip web.jsonl >/dev/null

# option, another value than the default, what it needs to have an effect
cat >own <<END_OF_VALUES
init new
features
objective itc:2
decays matrices --weight-decay 10
decays all --weight-decay 10
momentum 0.9
queue 4 --momentum 0.9
alpha 0.9 --momentum 0.9 --alpha-epochs 0
alpha-epochs 0 --momentum 0.9
prompt a
easy-negatives 1
label-smoothing 0.5
dropout 0.3
drop-path 0.9
freeze vision
context 5
max-words 2 --clean-text
positives alike --momentum 0.9 --queue 8 --alpha 0
positives pair
tokenizer none
vision none
language none
compat original
compat hf
clean-text
image-size 48
END_OF_VALUES
# These act on records, pictures, steps and reports, before and behind what a family does: one family shows them.
cat >common <<END_OF_VALUES
log-every 1
save-every 1 --held-out web.jsonl
held-out web.jsonl
epochs 1
steps 1
batch 4
accumulate 2
schedule constant --min-lr 0
lr 1e-2
min-lr 5e-4
warmup 3
warmup-lr 5e-4 --schedule constant --warmup 3
lr-decay 0.5 --schedule decay
beta1 0.5
beta2 0.5
eps 1e-2
clip 1e-3
weight-decay 1
crop 0.3
flip
randaugment 4,9
random-background
background black
init-from web.jsonl
from cbor
root none
image-field none
text-field none
max-pixels 9
output there
resume there
seed 1
progress
quiet
verbose
model none
END_OF_VALUES
cat own common >values
echo dropout 0.3 >through # the image tower learns through it
mkdir there

# Not seen in what is written: what needs a picture with EXIF, speed and memory, a processor's AMX, and what ends before the first pair.
exempt='orient memory threads precision help version list-options'

# What a run of a family says and writes; a sum.
outcome() { # OPTIONS...
    rm -rf out there
    mkdir there
    # shellcheck disable=SC2086 # options, separated by blanks
    vlm-train -j 1 --epochs 2 --batch 3 --lr 1e-3 -o out $family "$@" web.jsonl >.said 2>.err
    echo "$? $(cat .err out/[!t]*.* 2>/dev/null | sed 's/"seconds.*//' .said - | cksum) $(ls there)"
}

every() { # FILE OF VALUES, FAMILY'S OPTIONS
    list=$1
    family=$2
    seen=' '
    silent=
    without=$(outcome)
    case $without in 0*) ;; *) silent="nothing is learnt: $(cat .err)" ;; esac
    while read -r option value; do
        # what comes behind the value is needed beside it
        case $value in
        --* | '') needs=$value value= ;;
        *' '*) needs=${value#* } value=${value%% *} ;;
        *) needs= ;;
        esac
        # shellcheck disable=SC2086
        before=$([ "$needs" ] && outcome $needs || echo "$without")
        case $before in 0*) ;; *) before=refused ;; esac # what it needs
        # shellcheck disable=SC2086
        after=$(outcome $needs --$option${value:+=$value})
        [ "$before" = "$after" ] || seen="$seen$option "
    done <"$list"
    for option in $(cut -d " " -f 1 "$list" | sort -u); do
        case $seen in *" $option "*) ;; *) silent="$silent --$option" ;; esac
    done
    is "$silent" '' "every option, with $family"
}
every values "-m $golden/clip/hf-vit --objective itc"
every own "-m $golden/albef/pretrain.pth --objective itc,itm,mlm"
every own '-m blip --objective itc,itm,lm'
every own "-m $golden/blip2/stage1/blip2_pretrained.pth --objective itc,itm,itg"
every own "-m $golden/blip2/hf-opt --objective lm"

# what is left out by chance is left out where a gradient passes
refused() { # OPTION VALUE FAMILY'S OPTIONS
    family=$3
    is "$(outcome "$1=$2" | cut -c 1) $(grep -c -e "$1: .* does not use it" .err)" '3 1' "$1 is refused with $3"
}
refused --dropout 0.3 "-m $golden/albef/pretrain.pth --objective itc --freeze encoder."
refused --dropout 0.3 "-m $golden/blip2/hf-opt --objective lm --freeze qformer."
refused --drop-path 0.9 "-m $golden/clip/hf-vit --objective itc --freeze vision."
frozen="-m $golden/blip2/hf-opt --objective lm --freeze qformer. --steps 4 --batch 3 --save-every 2"
# shellcheck disable=SC2086
vlm-train -q $frozen --resume begun web.jsonl >.said 2>.err
sed 's/"seed":0,/&"dropout":0.25,"drop_path":0,/' begun/training.json >was
mv was begun/training.json
# shellcheck disable=SC2086
vlm-train -q $frozen --dropout 0.25 --resume begun web.jsonl >.said 2>.err
is "$?$(cat .err)" 0 '... but not where the training began with it, when it was taken'
every through "-m $golden/albef/pretrain.pth --objective itm --freeze encoder."

is "$(vlm-train --list-options | cut -f 1 | sed 's/--//' | while read -r option; do
    grep -q "^$option\( \|\$\)" values || case " $exempt " in *" $option "*) ;; *) echo "$option" ;; esac
done)" '' 'no option is left out'
finish
