#!/bin/sh
# formats.t - pictures of every format, turned and transparent ones, through a command
. "$(dirname "$0")/tap.sh"
images=$top/tests/golden/images
hf=$top/tests/golden/clip/hf-vit
original=$top/tests/golden/clip/openai-vit.pt

# vector MODEL FILE: the first numbers of its embedding, or the code of its error
vector() {
    vlm-embed -q -m "$1" "$2" | jq -c '.image_embedding[:4]? // .error.code'
}
isnt() { # GOT OTHER NAME: two texts differ
    [ "$1" != "$2" ]
    report $? "$3"
}

# turned.png is stored.png with orientation 8, by which it is upright.png
is "$(vector "$hf" "$images/turned.png")" "$(vector "$hf" "$images/upright.png")" \
    'a Hugging Face folder turns a picture'
is "$(vector "$original" "$images/turned.png")" "$(vector "$original" "$images/stored.png")" \
    "OpenAI's file takes it as it is stored"
isnt "$(vector "$hf" "$images/stored.png")" "$(vector "$hf" "$images/upright.png")" 'a turn matters'

# the user decides
look() { # MODEL FILE OPTION...
    model=$1
    file=$2
    shift 2
    vlm-embed -q -m "$model" "$@" "$file" | jq -c '.image_embedding[:4]? // .error.code'
}
is "$(look "$original" "$images/turned.png" --orient=apply)" \
    "$(vector "$original" "$images/upright.png")" '--orient=apply turns for any model'
is "$(look "$hf" "$images/turned.png" --orient=ignore)" "$(vector "$hf" "$images/stored.png")" \
    '--orient=ignore takes a picture as it is stored'
white=$(vector "$hf" "$images/rgba.png")
is "$(look "$hf" "$images/rgba.png" --background=white)" "$white" \
    'a Hugging Face folder lays what is transparent on white'
is "$(look "$hf" "$images/rgba.png" --background='#ffffff')" "$white" 'and #ffffff is white'
isnt "$(look "$hf" "$images/rgba.png" --background=black)" "$white" 'black is another ground'
is "$(look "$original" "$images/rgba.png" --background=none)" \
    "$(vector "$original" "$images/rgba.png")" "OpenAI's file drops alpha"
for option in --orient=left --background=pink --background='#12345' --background='#1234567'; do
    status 2 "$option is a mistake" vlm-embed "$option" "$images/rgba.png"
done

for f in icon.ico bitmap.ico runs-8.bmp runs-4.bmp short-palette.png inks.psd alpha.psd; do
    is "$(vlm-embed -q -m "$hf" "$images/$f" | jq -r '.error.code // "good"')" good "$f is read"
done

# a TIFF packed as JPEG 2000, which libtiff cannot undo
cp "$images/rgb.tif" packed.tif
printf '\230\207' | dd of=packed.tif bs=1 seek=910 conv=notrunc 2>/dev/null
is "$(vlm-embed -q -m "$hf" packed.tif | jq -r .error.code)" unsupported 'a TIFF of a packing that is not known'

# a member of a tar that is a picture by its name is one, read or not
cp "$images/stored.png" a.tif
printf 'an apple' >a.txt
printf '\377\n nothing that is read' >b.jxl
printf 'a bell' >b.txt
tar cf both.tar a.tif a.txt b.jxl b.txt
is "$(vlm-embed -q -m "$hf" both.tar | jq -c '[.__key__, has("image_embedding"), .error.code]')" \
    '["a",true,null]
["b",false,"unsupported"]' 'pictures of a tar by the endings of their names'
finish
