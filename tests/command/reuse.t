#!/bin/sh
# reuse.t - a folder of 300 pictures, captioned every night: three come, one changes, one goes
. "$(dirname "$0")/tap.sh"
. "$top/tests/command/pictures.sh"
export VLM_MODEL="$top/tests/golden/blip/hf-caption"
mkdir pictures
picture pictures/000.ppm 0
tail -n +4 pictures/000.ppm >rest
# 300 small pictures, which differ in their first pixel
awk 'NR == FNR { rest = rest $0 "\n"; next } END {
    for (i = 0; i < 300; i++) {
        file = sprintf("pictures/%03d.ppm", i)
        printf "P3 24 20 255\n%d %d 0\n%d 9 9\n%s", i % 256, i / 2, i / 4, rest >file
        close(file)
    }
}' rest /dev/null
echo 'no picture' >pictures/150.ppm
night() { # as cron runs it: what it prints is mailed
    find pictures -name '*.ppm' | LC_ALL=C sort | vlm-caption --beam 1 --max-length 6 --reuse captions "$@" -o captions
}
night >mail 2>&1
is "$? $(wc -l <captions) $(cut -d ' ' -f 2- mail)" '0 300 stdin:151: pictures/150.ppm: not an image in a known format
1 of 300 records failed' 'the first night: 300 records, a line for the picture that is none'
cp captions first
night >mail 2>&1
is "$? $(cat mail)" '0 ' 'the second: nothing is printed for an old error'
same captions first '... the same bytes'
for i in 300 301 302; do picture pictures/$i.ppm $i; done
picture pictures/007.ppm 77
rm pictures/200.ppm
cp -p captions yesterday
cp -p captions.vlm yesterday.vlm
night >mail 2>&1
is "$? $(cat mail)" '0 ' 'three are added, one changed, one deleted: nothing is printed'
is "$(wc -l <captions)" 302 '... 302 records'
find pictures -name '*.ppm' | LC_ALL=C sort | vlm-caption -q --beam 1 --max-length 6 >fresh
same captions fresh '... the bytes of a run from nothing'
mv captions today
mv captions.vlm today.vlm
cp yesterday captions
cp -p yesterday.vlm captions.vlm
night -v >mail 2>&1
same captions today '... once more, from the same night'
like "$(cat mail)" '298 of 302 results are those of the earlier run' '... 4 are computed'
echo 'none either' >pictures/299.ppm
night >mail 2>&1
is "$(grep -c 'pictures/299.ppm' mail) $(grep -c 'pictures/150.ppm' mail)" '1 0' 'a new error has its line, the old one has none'
echo 'still none' >pictures/150.ppm
night >mail 2>&1
is "$(grep -c 'pictures/299.ppm' mail) $(grep -c 'pictures/150.ppm' mail)" '0 1' '... nor is it silent for another picture of that name'
finish
