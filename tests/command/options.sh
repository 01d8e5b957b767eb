# options.sh - for options*.t: every option of a command, in every mode, has an effect or is refused
#
# A mode is a command line.  Each option of --list-options is added to it; then what is written, on
# standard output, on standard error or into files, or the status, has to differ.  Status 2 and 3 are
# refusals.  A new option needs a value in values_of, or the test fails.
#
#     mode COMMAND ARGUMENT...     every option behind these
#     try=model mode ...           those alone that not all filters share
. "$top/tests/command/pictures.sh"
golden=$top/tests/golden
export VLM_BLAS=none # it starts sooner
mkdir base other
picture base/a.ppm 1
picture base/b.ppm 2
picture other/a.ppm 3
cp other/a.ppm other/b.ppm
cp "$golden/images/rgba.png" "$golden/images/turned.png" base
printf '%s\n' 'A red;dog_&amp;!' 'two cats' 'a blue tree' 'dog' >lines
printf '%s\n' 'blue cats' 'a red car' >more
printf '%s\n' '{"id":2,"keep":false}' '{"id":3,"keep":true}' >decided
sed 's/^[a-z][a-z]*$/&q/' "$golden/blip/vocab.txt" >vocab.txt
printf '%s\n' '{"id":1,"image":"a.ppm","text":"A red_pet, dog&amp;cat𫠠! [MASK]","alt":"two cats","also":"b.ppm","x":1,"itm":0.4,"itm.alt":0.1,"caption":"cats","itm.caption":0.6}' \
    '{"id":2,"image":"b.ppm","text":"a blue tree [MASK]","alt":"A dog!","also":"a.ppm","x":2,"itm":0.9,"caption":"cats","itm.caption":0.8}' \
    '{"id":3,"image":"none.ppm","text":"a dog [MASK]","alt":"a dog","also":"a.ppm","x":3,"itm":0.8}' \
    '{"id":4,"error":{"stage":"read","code":"io","message":"m"},"image":"a.ppm","text":"a dog [MASK]","alt":"a dog","also":"a.ppm","x":4,"itm":0.7}' \
    '{"id":5,"text":"Cats;TREES𫠠_&amp;! [MASK]","alt":"a blue dog","also":"b.ppm","x":5,"itm":0.2}' \
    '{"id":6,"image":"../other/b.ppm","text":"a;tree [MASK]","alt":"cats","also":"b.ppm","x":6,"itm":0.6}' \
    '{"id":7,"image":"rgba.png","text":"a dog and [MASK]","alt":"cats","also":"b.ppm","x":7,"itm":0.3}' \
    '{"id":8,"image":"turned.png","text":"[MASK] cats","alt":"cats","also":"a.ppm","x":8,"itm":0.5}' \
    'no record' >in
printf 'a.ppm\0b.ppm\0' >names0
printf '%s\n' '{1}' '{2}' '{3}' '{4}' >alike
head -n 2 in >pairs
records=in

# values_of OPTION MODE...: values that are not the default, one a line, each after a blank with what it
# needs beside it; nothing for a flag, or a blank line and what the flag needs
values_of() {
    case $1 in
    --answers | --queries | --candidates | --labels) echo more ;;
    --background) printf '%s\n' black none ;;
    --threads) echo '3 -v' ;;
    --batch) echo '3 -v' ;;
    --beam) case $* in *--sample*) echo 3 ;; *) echo 1 ;; esac ;;
    --by) case $command in vlm-sim) echo text ;; *) echo x ;; esac ;;
    --compat) printf '%s\n' original hf ;;
    --dropped | --npy | --output | --resume | --uids | --status) echo made ;;
    --log) echo json ;;
    --pairs) echo other ;;
    --fields) echo alt ;;
    --from) echo names ;;
    --heatmap) echo maps ;;
    --image-field) echo also ;;
    --image-size) printf '%s\n' 64 96 ;;
    --keep) echo 'x>2' ;;
    --language) echo "$golden/blip2/hf-opt" ;;
    --vision) echo "$golden/blip2/hf-vision" ;;
    --length-penalty) echo -40 ;;
    --repetition-penalty) echo 0.05 ;;
    --temperature) echo 30 ;;
    --max-errors) echo 0 ;;
    --max-length) echo 6 ;;
    --max-pixels) echo 3 ;;
    --memory) echo 1 ;;
    --merge) echo best ;;
    --min-length) echo 30 ;;
    --model) printf '%s\n' "$golden/blip/hf-itm" "$golden/clip/hf-vit" ;;
    --near-duplicates) echo -1 ;;
    --number) echo 2 ;;
    --orient) printf '%s\n' apply ignore ;;
    --rerank) echo 1 ;;
    --on-error) printf '%s\n' skip fail ;;
    --precision) # elsewhere all are alike, and -v tells that it was heard
        if [ "$VLM_CPU" = '' ] && grep -qE 'amx_tile|avx512_bf16' /proc/cpuinfo; then
            printf '%s\n' high medium
        else
            printf '%s\n' 'high -v'
        fi ;;
    --prompt) printf '%s\n' 'dog[MASK]' 'dog' ;;
    --prompt-field | --text-field) echo alt ;;
    --query) echo 'blue' ;;
    --errors) echo pass ;;
    --sidecar) echo .made ;;
    --existing) echo 'replace --sidecar .made' ;;
    --to) case $command in vlm-convert) printf '%s\n' original hf ;; *) echo cbor ;; esac ;;
    --dtype) echo f16 ;;
    --pieces) echo '2 --dtype int8' ;;
    --calibrate) echo 'pairs --dtype int8' ;;
    --accuracy) echo '0.01 --dtype int8 --calibrate pairs' ;;
    --decisions) echo decided ;;
    --per-shard) echo '2 -o made-%05d' ;;
    --reuse) echo lines ;; # refused: it has no side file; side.t tries one
    --reject) echo 'a|e|i|o|u' ;;
    --root) echo other ;;
    --confine) echo ' --root .' ;;
    --scale) echo 2 ;;
    --score) echo x ;;
    --seed) echo 3 ;;
    --shard) printf '%s\n' 1/2 2/2 ;;
    --side) echo 16 ;;
    --inline) echo 0 ;;
    --sample) [ "$command" != vlm-page ] || echo 2 ;;
    --template) echo 'two_{}' ;;
    --title) echo Other ;;
    --tokenizer) echo vocab.txt ;;
    --top) case $* in *labels*) echo 2 ;; *) echo 1 ;; esac ;;
    --top-k) echo 1 ;;
    --top-p) echo 0.1 ;;
    --threshold) echo 0.1 ;;
    --task) printf '%s\n' caption itm ;;
    --field | --truth) echo other ;;
    --id-field) echo group ;;
    --references) echo coco.json ;;
    --results) echo results.json ;;
    --split) echo val ;;
    esac
}

# run FILE COMMAND...: all that it leaves, in FILE
run() {
    local file=$1
    shift
    rm -rf made* maps ./*.made
    case " $* " in *' --sidecar '*) echo old >a.made ;; esac # for --existing
    "$@" <"$input" >"$file" 2>"$file.err"
    got=$?
    { cat "$file.err"; echo "$got"; find made* maps ./*.made -type f -exec cat {} + 2>/dev/null; find made* maps ./*.made 2>/dev/null | sort; } >>"$file"
}

# acts OPTION VALUE BESIDE MODE...: whether it changes something or is refused
acts() {
    local option=$1 value=$2 beside=$3 before=plain
    shift 3
    input=$records
    case $option in
    --null) input=names0 ;;
    --line-buffered) input=alike ;; # each failure is reported when its record leaves
    esac
    if [ "$beside" ] || [ "$input" != "$records" ]; then
        before=plain.beside
        # shellcheck disable=SC2086 # options, separated by blanks
        run "$before" "$@" $beside
    fi
    # shellcheck disable=SC2086
    run changed "$@" $beside "$option" ${value:+"$value"}
    [ "$got" -lt 128 ] || return 1 # a crash is no effect
    [ "$got" = 2 ] || [ "$got" = 3 ] || ! cmp -s "$before" changed
}

mode() {
    command=$1
    local idle= option kind values value beside acted first=yes
    case "$seen" in *" $command "*) first= ;; esac
    seen="$seen $command "
    [ -e "$command.options" ] || "$command" --list-options | awk -F '\t' '{ print $1, $4 }' >"$command.options"
    [ -e shared.options ] || vlm-filter --list-options | awk -F '\t' '{ print $1, $4 }' >shared.options
    input=$records
    run plain "$@"
    [ "$got" = 0 ] || idle="the mode itself has status $got: $(cat plain.err)"
    while read -r option kind <&3; do
        case $option in
        --help | --version | --list-options) continue ;;
        --memory) # changes no byte, or is refused; tests/faults/sizes.c sees that it acts
            [ "$try" ] || ! acts "$option" 1 '' "$@" || [ "$got" = 2 ] || idle="$idle $option"
            continue ;;
        --binary | --batch | --output | --from | --on-error | --max-errors | --resume | --retry-errors | --threads | --null | \
            --pairs | --status | --log | --per-shard | --reuse | --checksum | --confine | --shard | --progress | --quiet | --verbose)
            [ "$first" ] && [ ! "$try" ] || continue ;; # alike in all modes
        esac
        [ ! "$try" ] || ! grep -q "^$option " shared.options || continue
        case " $* " in *" $option "*) [ "$option" = --root ] || continue ;; esac
        values=$(values_of "$option" "$@")
        [ "$values" ] || [ "$kind" = flag ] || idle="$idle $option(no value)"
        acted=
        while IFS= read -r value <&4; do
            beside=
            case $value in *' '*) beside=${value#* } value=${value%% *} ;; esac
            ! acts "$option" "$value" "$beside" "$@" || { acted=yes; break; }
        done 4<<END
$values
END
        [ "$acted" ] || idle="$idle $option"
    done 3<"$command.options"
    shift
    is "$idle" '' "$command $*${VLM_MODEL:+ (${VLM_MODEL#"$golden"/})}: every option acts or is refused"
}
seen=

# refuses COMMAND ARGUMENT...: the model has not what it takes, whatever is asked
refuses() {
    status 3 "$1 refuses ${VLM_MODEL#"$golden"/}" "$@" </dev/null
}

cd base || exit
for file in ../*; do ln -s "$file" .; done
