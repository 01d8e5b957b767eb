#!/bin/sh
# options.t - every option of every filter, in every mode, has an effect or is refused
#
# A mode is a command line.  Each option of --list-options is added to it; then what is written, on
# standard output, on standard error or into files, or the status, has to differ.  Status 2 is a
# refusal.  A new option needs a value in value_of, or the test fails.
. "$(dirname "$0")/tap.sh"
. "$top/tests/command/pictures.sh"
golden=$top/tests/golden
mkdir base other
picture base/a.ppm 1
picture base/b.ppm 2
picture other/a.ppm 3
cp other/a.ppm other/b.ppm
printf '%s\n' 'A red, dog!' 'two cats' 'a blue tree' 'dog' >lines
printf '%s\n' 'blue cats' 'a red car' >more
printf '%s\n' '{"id":2,"keep":false}' '{"id":3,"keep":true}' >decided
sed 's/^[a-z][a-z]*$/&q/' "$golden/blip/vocab.txt" >vocab.txt
printf '%s\n' '{"id":1,"image":"a.ppm","text":"A red, dog! [MASK]","alt":"two cats","also":"b.ppm","x":1,"itm":0.4,"itm.alt":0.1,"caption":"cats","itm.caption":0.6}' \
    '{"id":2,"image":"b.ppm","text":"a blue tree [MASK]","alt":"A dog!","also":"a.ppm","x":2,"itm":0.9,"caption":"cats","itm.caption":0.8}' \
    '{"id":3,"image":"none.ppm","text":"a dog [MASK]","alt":"a dog","also":"a.ppm","x":3,"itm":0.8}' \
    '{"id":4,"error":{"stage":"read","code":"io","message":"m"},"image":"a.ppm","text":"a dog [MASK]","alt":"a dog","also":"a.ppm","x":4,"itm":0.7}' \
    '{"id":5,"text":"Cats; TREES! [MASK]","alt":"a blue dog","also":"b.ppm","x":5,"itm":0.2}' \
    '{"id":6,"image":"../other/b.ppm","text":"a tree [MASK]","alt":"cats","also":"b.ppm","x":6,"itm":0.6}' \
    'no record' >in

# value_of OPTION: a value that is not the default; nothing for a flag
value_of() {
    case $1 in
    --answers | --queries | --candidates | --labels) echo more ;;
    --batch | --threads) echo 2 ;;
    --beam) echo 1 ;;
    --by) case $command in vlm-sim) echo text ;; *) echo x ;; esac ;;
    --compat) echo original ;;
    --dropped | --npy | --output | --resume | --uids | --status) echo made ;;
    --log) echo json ;;
    --pairs) echo other ;;
    --fields) echo alt ;;
    --from) echo names ;;
    --heatmap) echo maps ;;
    --image-field) echo also ;;
    --image-size) echo 64 ;;
    --keep) echo 'x > 2' ;;
    --language | --vision) echo "$golden/blip2/hf-vision" ;;
    --length-penalty) echo -40 ;;
    --repetition-penalty) echo 0.05 ;;
    --temperature) echo 30 ;;
    --max-errors) echo 0 ;;
    --max-length) echo 6 ;;
    --max-pixels) echo 3 ;;
    --merge) echo best ;;
    --min-length) echo 30 ;;
    --model) echo "$golden/blip/hf-itm" ;;
    --near-duplicates) echo -1 ;;
    --number) echo 2 ;;
    --rerank) echo 1 ;;
    --on-error) echo skip ;;
    --prompt) echo 'two cats [MASK]' ;;
    --prompt-field | --text-field) echo alt ;;
    --query) echo 'blue' ;;
    --errors) echo pass ;;
    --to) echo cbor ;;
    --decisions) echo decided ;;
    --per-shard) echo 2 ;;
    --reuse) echo lines ;; # refused: it has no side file; side.t tries one
    --reject) echo 'a|e|i|o|u' ;;
    --root) echo other ;;
    --scale) echo 2 ;;
    --seed) echo 3 ;;
    --shard) echo 1/2 ;;
    --template) echo 'two {}' ;;
    --tokenizer) echo vocab.txt ;;
    --top) case $* in *labels*) echo 2 ;; *) echo 1 ;; esac ;;
    --to) echo cbor ;;
    --per-shard) echo 2 ;;
    --top-k) echo 1 ;;
    --top-p) echo 0.1 ;;
    --threshold) echo 0.1 ;;
    esac
}

# run NAME COMMAND...: all that it leaves, in the file NAME
run() { # NAME COMMAND...
    name=$1
    shift
    rm -rf made* maps
    "$@" <in >"$name" 2>"$name.err"
    got=$?
    { cat "$name.err"; echo "$got"; cat made* maps/* 2>/dev/null; ls made* 2>/dev/null; } >>"$name"
}

# mode COMMAND ARGUMENT...: tries every option behind these
mode() {
    command=$1
    idle=
    [ "$command" = "$last" ] && first= || first=yes
    last=$command
    run plain "$@"
    [ "$got" = 0 ] || idle="the mode itself has status $got"
    while read -r option kind; do
        case $option in
        --threads | --batch | --memory | --line-buffered) continue ;; # time and memory alone
        --vision | --language | --compat) continue ;; # the model decides
        --sidecar | --existing) continue ;;           # write beside pictures: sidecar.t
        --precision) continue ;;                      # the processor decides
        --help | --version | --list-options) continue ;;
        --null) continue ;; # acts on lists of names
        --orient | --background) continue ;; # act on pictures with EXIF or alpha: formats.t
        --binary | --output | --from | --on-error | --max-errors | --resume | --retry-errors | \
            --shard | --progress | --quiet | --verbose) [ "$first" ] || continue ;; # alike in all modes
        esac
        case " $* " in *" $option "*) [ "$option" = --root ] || continue ;; esac
        if [ "$kind" = flag ]; then
            run changed "$@" "$option"
        else
            value=$(value_of "$option" "$@")
            [ "$value" ] || idle="$idle $option(no value)"
            run changed "$@" "$option" "$value"
        fi
        [ "$got" = 2 ] || ! cmp -s plain changed || idle="$idle $option"
    done <"$command.options"
    shift
    is "$idle" '' "$command $*: every option acts or is refused"
}
last=
for c in vlm-embed vlm-sim vlm-itm vlm-caption vlm-filter; do "$c" --list-options | awk -F '\t' '{ print $1, $4 }' >"$c.options"; done

cd base || exit
for f in ../*; do ln -s "$f" .; done
export VLM_MODEL="$golden/clip/hf-vit"
mode vlm-embed
mode vlm-embed --image
mode vlm-embed --text
mode vlm-embed --features
mode vlm-embed --npy made
mode vlm-sim
mode vlm-sim --query 'A red, dog!'
mode vlm-sim --labels lines
mode vlm-sim --near-duplicates 0.9999
export VLM_MODEL="$golden/blip/itm.pth"
mode vlm-itm
mode vlm-itm --queries lines --rerank 2
mode vlm-itm --candidates lines --rerank 2
mode vlm-itm --heatmap maps
export VLM_MODEL="$golden/blip/caption.pth"
VLM_MODEL="$golden/blip/hf-caption" mode vlm-caption --beam 4 -n 4
mode vlm-caption --sample
VLM_MODEL="$golden/albef/pretrain.pth" mode vlm-caption --fill-mask
VLM_MODEL="$golden/blip/hf-vqa" mode vlm-caption --answers lines --prompt-field alt
mode vlm-filter --keep 'x > 1'
mode vlm-filter --top 2
mode vlm-filter --capfilt
mode vlm-filter --histogram
finish
