#!/bin/sh
# sidecar.t - captions beside pictures, and folders of pictures and texts as input
. "$(dirname "$0")/tap.sh"
. "$top/tests/command/pictures.sh"
caption() { vlm-caption -m "$top/tests/golden/blip/hf-caption" --beam 1 --max-length 6 "$@"; }
mkdir -p 'set/a b'
picture set/1.ppm 1
picture set/2.ppm 2
picture 'set/a b/x
y.ppm' 3
picture set/.hidden.ppm 4
files() { (cd "${1:-set}" && find . -name '*.txt' | LC_ALL=C sort | while IFS= read -r f; do echo "$f: $(cat "$f" 2>/dev/null)"; done); }

caption --pairs set >plain
is "$(jq -c .image plain)" '"set/1.ppm"
"set/2.ppm"
"set/a b/x\ny.ppm"' '--pairs: pictures of the folder and of those in it, by name'
one=$(jq -r .caption plain | sed -n 1p) two=$(jq -r .caption plain | sed -n 2p)
caption --sidecar=.txt --pairs set >out
is "$(cat out)" "$(cat plain)" '--sidecar: records leave as without it'
is "$(cat set/1.txt) $(cat set/2.txt) $(cat "set/a b/x
y.txt" | wc -l)" "$one $two 1" '... and each caption stands beside its picture, blanks and newlines in its name'

echo 'by hand' >set/1.txt
caption --sidecar=.txt --pairs set >out
is "$(cat set/1.txt)" 'by hand' '--existing=skip: a sidecar that is there stays'
is "$(jq -c '[.text, has("caption")]' out | head -n 1)" '["by hand",false]' '... and its record is left as it came'
rm set/2.txt
caption --sidecar=.txt --existing=skip --provenance --pairs set >out
is "$(cat set/1.txt), $(cat set/2.txt)" "by hand, $two" '... one that is missing is written'
is "$(jq -c 'has("provenance")' out | tr '\n' ' ')" 'false true false ' '... what was not computed has no provenance'
caption --sidecar=.txt --existing=append --pairs set >out
is "$(cat set/1.txt)" "by hand, $one" 'append'
is "$(cat set/2.txt)" "$two" '... not what is there already'
cp -R set before
caption --sidecar=.txt --existing=append --pairs set >out
is "$(files)" "$(files before)" '... a second time changes nothing'
printf 'by hand\r\n\n' >set/1.txt
caption --sidecar=.txt --existing=prepend --pairs set >out
is "$(cat set/1.txt)" "$one, by hand" 'prepend'
caption --sidecar=.txt --existing=prepend --pairs set >out
is "$(cat set/1.txt)" "$one, by hand" '... a second time changes nothing'
caption --sidecar=.txt --existing=replace --pairs set >out
is "$(cat set/1.txt)" "$one" 'replace'
caption --sidecar=.caption set/1.ppm >out
is "$(cat set/1.caption)" "$one" 'another suffix, for a picture by its name'
(cd / && caption --root "$work/set" --sidecar=.cap) <<'R' >out
{"image":"2.ppm"}
R
is "$(cat set/2.cap)" "$two" '--root'
cp set/1.ppm set/1.png.ppm
caption --sidecar=.txt set/1.png.ppm >out
is "$(cat set/1.png.txt)" "$one" 'what follows the last point is replaced'

# two pictures with one sidecar: the first one's, whatever the batch
mkdir twins
cp set/1.ppm twins/t.pnm
cp set/2.ppm twins/t.ppm
caption --sidecar=.txt --batch 1 --pairs twins >out
is "$(cat twins/t.txt) $(jq -c 'has("caption")' out | tr '\n' ' ')" "$one true true " 'two pictures that share a sidecar'

# killed at any moment: no half file, and the same command again ends as one that was not killed
mkdir many
for i in 1 2 3 4 5 6 7 8; do picture many/$i.ppm $i; done
cp -R many wanted
caption --sidecar=.txt --pairs wanted >out
for delay in 0.05 0.1 0.15 0.2 0.3; do
    rm -f many/*.txt
    caption -j1 --batch 1 --sidecar=.txt --pairs many >out 2>/dev/null &
    pid=$!
    sleep $delay
    kill -9 $pid
    wait $pid 2>/dev/null
    for f in many/*.txt; do [ ! -e "$f" ] || cmp -s "$f" "wanted/${f#many/}" || echo "half: $f"; done
    caption --sidecar=.txt --pairs many >out
    is "$(files many) $(ls many | grep -c tmp)" "$(files wanted) 0" "killed after $delay s"
done

# what cannot be done
(cd set && tar cf ../s.tar 1.ppm)
is "$(caption -q --sidecar=.txt s.tar | jq -r .error.code)" unsupported 'a member of a tar has no sidecar'
ln -s /dev/null set/3.txt
picture set/3.ppm 3
is "$(caption -q --confine --sidecar=.txt set/3.ppm | jq -r .error.code)" outside '--confine: no sidecar by a link'
rm set/3.*
chmod 555 twins
[ "$(id -u)" = 0 ] || is "$(caption -q --sidecar=.z twins/t.ppm | jq -r .error.stage)" write 'a folder that cannot be written'
chmod 755 twins
for wrong in '--sidecar=txt' '--sidecar=.jpg' '--sidecar=/x' '--sidecar=.' '--existing=skip' '--sidecar=.txt -n 2' \
    '--sidecar=.txt --reuse x' '--pairs set set/1.ppm' '--pairs set -0' '--pairs set --from=names'; do
    # shellcheck disable=SC2086
    status 2 "a mistake: $wrong" caption $wrong </dev/null
done

# texts
mkdir t t/deep
for i in 1 2 3 4 5; do cp set/1.ppm t/$i.ppm; done
printf 'a red dog\r\n' >t/1.txt
printf '\357\273\277two\nlines\n' >t/2.txt
printf 'ol\351\n' >t/3.txt
: >t/4.txt
echo 'tags' >t/5.caption
echo 'alone' >t/6.txt
echo 'not a picture' >t/notes.md
echo 'deep' >t/deep/9.txt
cp set/2.ppm t/deep/9.PPM
ln -s .. t/deep/circle
vlm-filter --pairs t >out 2>err
is "$(jq -c '[.image, .text, .caption, .error.code]' out)" '["t/1.ppm","a red dog",null,null]
["t/2.ppm","two\nlines",null,null]
["t/3.ppm",null,null,"invalid"]
["t/4.ppm",null,null,null]
["t/5.ppm",null,"tags",null]
["t/deep/9.PPM","deep",null,null]' '--pairs: texts, one that is not UTF-8, an empty one'
like "$(cat err)" '^vlm-filter: t: 1 text files belong to no picture$' '... texts without a picture are counted'
for i in 1 2; do vlm-filter -q --pairs t --shard $i/2; done | sort >parts
sort out >sorted
same parts sorted '... in parts'
head -n 2 out >some
ok '... an output is continued' vlm-filter -q --pairs t --resume some
same some out '... with the same bytes'
status 1 '... a folder that is not there' vlm-filter --pairs nowhere
mkdir none
is "$(vlm-filter --pairs none | wc -l)" 0 '... an empty folder: no records'
finish
