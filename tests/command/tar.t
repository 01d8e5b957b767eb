#!/bin/sh
# tar.t - shards out: members, keys, the same bytes again, parts, and going on with them
. "$(dirname "$0")/tap.sh"
. "$top/tests/command/pictures.sh"

for i in 1 2 3 4; do picture p$i.ppm $i; done
for i in 1 2 3 4 5 6 7 8 9 10; do
    echo "{\"id\":\"k$i\",\"image\":\"p$((i % 4 + 1)).ppm\",\"text\":\"text $i\",\"itm\":0.$i,\"n\":12345678901234567890}"
done >in

status 0 'a shard' vlm-filter --to=tar -o one.tar in
is "$(tar tf one.tar | head -n 4 | tr '\n' ' ')" 'k1.ppm k1.json k1.txt k2.ppm ' 'its members'
is "$(tar tf one.tar | wc -l | tr -d ' ')" 30 '... all of them'
is "$(tar xOf one.tar k1.ppm | cmp - p2.ppm && echo same)" same 'a picture is as it was'
is "$(tar xOf one.tar k3.json)" "$(sed -n 3p in)" 'a record too'
is "$(tar xOf one.tar k3.txt)" 'text 3' '... and its text'
is "$(tar tvf one.tar | awk '{ print $1, $2, $4, $5 }' | sort -u)" '-rw-r--r-- 0/0 1970-01-01 00:00' 'no owner and no time' ||
    tar tvf one.tar | head -n 2 | sed 's/^/# /'
vlm-filter --to=tar in >again.tar
same again.tar one.tar 'on standard output'
is "$(vlm-filter one.tar | jq -c '[.id, .text, .itm]')" "$(jq -c '[.id, .text, .itm]' in)" 'read back'
vlm-filter --to=tar one.tar >twice.tar
vlm-filter --to=tar twice.tar >again.tar
same again.tar twice.tar 'once more: the same bytes'
vlm-filter --to=tar --keep 'itm > 0.5' one.tar >some.tar
is "$(tar tf some.tar | sed -n 's/\.json$//p' | tr '\n' ' ')" 'k6 k7 k8 k9 ' 'keys stay'
is "$(tar xOf some.tar k7.ppm | cmp - p4.ppm && echo same)" same '... and pictures'
is "$(jq -c '{id, captions: [.text, "b"], itm: [0.9, 0.8]}' in | head -n 2 | vlm-filter -q --capfilt --to=tar | tar tf - |
    sed -n 's/\.json$//p' | tr '\n' ' ')" 'k1 k1_1 k2 k2_1 ' 'several records of one key'
is "$(vlm-filter --to=cbor in | cmp - "$(vlm-filter -b in >cbor && echo cbor)" && echo same)" same '--to=cbor is --binary'

# a picture that cannot be read fails its record: no sample is without its picture in silence
sed 's/p3.ppm/none.ppm/' in >lost
vlm-filter --to=tar lost >lost.tar 2>err
is "$? $(cat err)" "0 vlm-filter: lost:2: none.ppm: No such file or directory
vlm-filter: lost:6: none.ppm: No such file or directory
vlm-filter: lost:10: none.ppm: No such file or directory
vlm-filter: 3 of 10 records failed" 'pictures that are not there'
is "$(vlm-filter lost.tar | jq -r 'select(.error) | [.id, .error.stage, .error.code] | join(" ")' | head -n 1)" \
    'k2 write not_found' '... their records say so'
vlm-filter --to=tar --keep 'n > 0' --dropped left lost 2>err >kept.tar
is "$(tar tf kept.tar | grep -c json) $(jq -r .reason left | sort | uniq -c | tr -s ' ')" '7  3 error: not_found' \
    '... a set that is chosen does not hold them'
vlm-filter -q --to=tar --top 4 --by itm lost >kept.tar
is "$(tar tf kept.tar | sed -n 's/\.json$//p' | tr '\n' ' ')" 'k7 k8 k9 ' '... nor one of the best'
jq -c '{id, image, captions: [.text, "b"], itm: [0.9, 0.8]}' lost | vlm-filter -q --capfilt --dropped left --to=tar >kept.tar
is "$(tar tf kept.tar | grep -c json) $(wc -l <left)" '14 6' '... nor pairs'
status 1 '... --on-error=fail' vlm-filter --to=tar --on-error=fail -o failed.tar lost
ok '... leaves nothing' test ! -e failed.tar
vlm-filter -q --to=tar --on-error=skip lost | tar tf - | grep -c json >out
is "$(cat out)" 7 '... --on-error=skip'
printf '{"id":1,"image":"https://example.org/1.jpg"}' | vlm-filter --to=tar 2>err >url.tar
like "$(cat err)" 'https://example.org/1.jpg: not a file, and nothing is fetched' '... an address'
status 0 'nothing' vlm-filter --to=tar -o none.tar /dev/null
is "$(tar tf none.tar | wc -l | tr -d ' ')" 0 '... is an archive of nothing'
status 1 'a full disk' sh -c 'vlm-filter --to=tar in >/dev/full'

mkdir whole parts
status 0 'parts' vlm-filter --to=tar --per-shard 3 -o 'whole/out-%05d.tar' in
is "$(ls whole | tr '\n' ' ')" 'out-00000.tar out-00001.tar out-00002.tar out-00003.tar ' '... by number'
is "$(for f in whole/*; do tar tf "$f" | grep -c json; done | tr '\n' ' ')" '3 3 3 1 ' '... of so many records'
is "$(ls whole/*.tar | vlm-filter --from=list | jq -r .id | tr '\n' ' ')" "$(jq -r .id in | tr '\n' ' ')" \
    '... hold all, and a list of them is read'
is "$(vlm-filter whole/*.tar | wc -l | tr -d ' ')" 10 '... as operands too'
same_parts() { # NAME
    is "$(for f in whole/*; do cmp "$f" "parts/${f#whole/}" && echo same; done 2>&1 | sort | uniq -c | tr -s ' ')" ' 4 same' "$1"
}
out='parts/out-%05d.tar'
head -n 7 in >some
status 0 'resume: nothing is there' vlm-filter --to=tar --per-shard 3 --resume "$out" some
status 0 '... more has come' vlm-filter --to=tar --per-shard 3 --resume "$out" in
same_parts '... the same bytes as one run'
rm parts/out-00002.tar parts/out-00003.tar
echo rest >parts/out-00002.tar.0123456789abcdef.tmp
status 0 '... two parts are lost' vlm-filter --to=tar --per-shard 3 --resume "$out" in
same_parts '... the same bytes again'
is "$(ls parts | grep -c tmp)" 0 '... what a killed run left is gone'
status 1 '... another input' sh -c "tail -n 9 in | vlm-filter --to=tar --per-shard 3 --resume '$out'"
status 1 '... other options' vlm-filter --to=tar --per-shard 2 --resume "$out" in
same_parts '... change nothing'
mkfifo slow
vlm-filter --to=tar --per-shard 3 --resume "$out" slow &
exec 9>slow
wait_for [ -e "$out.0000000000000000.tmp" ]
status 1 '... while another process writes them' vlm-filter --to=tar --per-shard 3 --resume "$out" in
cat in >&9
exec 9>&-
wait
same_parts '... which ends as if alone'
is "$(ls parts | grep -c tmp)" 0 '... and leaves no lock'
rm parts/*.vlm
status 1 '... without side files' vlm-filter --to=tar --per-shard 3 --resume "$out" in
rm parts/*
vlm-filter --to=tar --per-shard 2 --keep 'itm != 0.3 && itm != 0.4' -o 'whole/k-%03d.tar' in
head -n 5 in | vlm-filter --to=tar --per-shard 2 --keep 'itm != 0.3 && itm != 0.4' --resume 'parts/k-%03d.tar'
vlm-filter --to=tar --per-shard 2 --keep 'itm != 0.3 && itm != 0.4' --resume 'parts/k-%03d.tar' in
is "$(for f in whole/k*; do cmp "$f" "parts/${f#whole/}" && echo same; done 2>&1 | sort | uniq -c | tr -s ' ')" ' 4 same' \
    'records that were dropped'

for wrong in '--per-shard 3 -o out-%05d.tar' '--to=tar --per-shard 3 -o out.tar' '--to=tar --per-shard 3 -o %05d-%05d.tar' \
    '--to=tar --per-shard 3' '--to=tar --resume out.tar' '--to=tar -b' '--to=json -b' '--to=tar --per-shard 3 -o %d.tar' '--to=zip'; do
    # shellcheck disable=SC2086
    status 2 "a mistake: $wrong" vlm-filter $wrong in
done

# names and texts that are not UTF-8: nothing of them is lost, and it is said
name=$(printf 'caf\351')
printf 'P1 1 1 1\n' >"$name.pbm"
printf 'caf\351 au lait' >"$name.txt"
tar cf latin.tar "$name.pbm" "$name.txt"
vlm-filter latin.tar >out 2>err
is "$(jq -r 'has("image")' out) $(grep -c '"__key__":"caf.udce9"' out) $(grep -c '"text":"caf.udce9 au lait"' out)" \
    'true 1 1' 'a key and a text of Latin-1'
like "$(cat err)" '^vlm-filter: latin.tar:1: a text that is not UTF-8; iconv' '... with a word'
vlm-filter -q --to=tar latin.tar >again.tar
mkdir unpacked && tar xf again.tar -C unpacked
is "$(cmp "unpacked/$name.txt" "$name.txt" && cmp "unpacked/$name.pbm" "$name.pbm" && echo same)" same \
    '... and back under the same name'
printf 'image,text\n%s.pbm,caf\351\n' "$name" >latin.csv
is "$(vlm-embed -q -m "$top/tests/golden/clip/hf-vit" --image latin.csv | jq -r 'has("image_embedding")')" true \
    "a table's name that is not UTF-8 leads to its file"
finish
