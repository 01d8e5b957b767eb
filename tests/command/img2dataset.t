#!/bin/sh
# img2dataset.t - shards as img2dataset makes them, through README's pipeline: every text of the web
# is judged, every caption too, and nothing is lost
. "$(dirname "$0")/tap.sh"
. "$top/tests/command/pictures.sh"
golden=$top/tests/golden

# three shards of 40 samples, with the members and the fields that img2dataset writes; sample 17 of each
# has a picture that ends early, sample 23 an empty text
mkdir shards in
for shard in 0 1 2; do
    mkdir s
    for i in 0 1 2 3 4 5 6 7 8 9; do picture s/p$i $((shard * 10 + i)); done
    awk -v shard=$shard 'BEGIN { for (i = 0; i < 40; i++) {
        key = sprintf("%05d%04d", shard, i)
        text = i == 23 ? "" : "sale!! shoe " i " \342\200\224 50% \"off\""
        printf "%s", text >"s/" key ".txt"
        gsub(/"/, "\\\"", text)
        printf "{\n    \"url\": \"https://example.org/%d.jpg\",\n    \"caption\": \"%s\",\n    \"key\": \"%s\",\n    \"status\": \"success\",\n" \
            "    \"error_message\": null,\n    \"width\": 24,\n    \"height\": 20,\n    \"original_width\": 240,\n    \"original_height\": 200,\n" \
            "    \"exif\": \"{}\",\n    \"similarity\": 0.310,\n    \"hash\": 1844674407370955%04d\n}", i, text, key, i >"s/" key ".json"
    } }'
    for i in $(seq 0 39); do
        key=$(printf %05d%04d $shard $i)
        cp s/p$((i % 10)) s/$key.ppm
        [ $i != 17 ] || head -c 2000 s/p7 >s/$key.ppm
        cp s/$key.ppm in
    done
    rm s/p?
    (cd s && tar cf ../shards/0000$shard.tar --sort=name .)
    rm -r s
    echo '{"count": 40}' >shards/0000${shard}_stats.json
done

# README's line, as it stands, with the shards in the place of web.jsonl
line=$(sed -n 's/^\$ \(vlm-caption --sample\) < web.jsonl \(| .*\) > clean.jsonl$/\1 shards\/*.tar \2/p' "$top/README.md")
is "$line" 'vlm-caption --sample shards/*.tar | vlm-itm | vlm-filter --capfilt' "README's line"
export VLM_MODEL="$golden/blip/pretrain.pth"
vlm-caption -q --sample shards/*.tar | vlm-itm -q >scored.jsonl
# what this tiny model, which knows nothing, thinks of half of all texts
half=$(jq '.itm, ."itm.synthetic" | numbers' scored.jsonl | sort -g | awk '{ v[NR] = $1 } END { print v[int(NR / 2)] }')

run() { # OPTION OF BINARY, OPTIONS OF vlm-filter
    binary=$1
    shift
    bash -c "$(echo "$line" | sed "s/--sample/--sample -q $binary/; s/vlm-itm/vlm-itm -q $binary/") --threshold $half --dropped dropped.jsonl $*" 2>err
}
# judged FILE...: key, source and texts of all that was kept or dropped
judged() { vlm-filter -q "$@" | jq -c 'select(.error | not) | [.key, .source]' | LC_ALL=C sort; }
# 117 samples have a picture; an empty text is judged as any other
for shard in 0 1 2; do
    for i in $(seq 0 39); do
        key=$(printf %05d%04d $shard $i)
        [ $i = 17 ] || printf '["%s","%s"]\n' "$key" synthetic "$key" web
    done
done | LC_ALL=C sort >wanted

run '' -o clean.jsonl
judged clean.jsonl dropped.jsonl >got
same got wanted 'JSON lines: each text of the web and each caption is kept or dropped, once'
is "$(grep -c web wanted) $(grep -c synthetic wanted)" '117 117' '... 117 of the web, 117 synthetic'
kept=$(wc -l <clean.jsonl)
[ "$kept" -gt 60 ] && [ "$kept" -lt 170 ]
report $? "... of which $kept are kept"
is "$(jq -r 'select(.error) | [.key, .reason] | join(" ")' dropped.jsonl)" '000000017 error: truncated
000010017 error: truncated
000020017 error: truncated' '... pictures that cannot be read are dropped with their reason'
like "$(cat err)" '3 records with an error went to dropped.jsonl' '... and counted'
cat clean.jsonl dropped.jsonl | jq -r '[.key, (.image | sub("^data:[^,]*,"; ""))] | @tsv' >pictures
while read -r key bytes; do
    echo "$bytes" | base64 -d | cmp -s - "in/$key.ppm" || echo "$key"
done <pictures >differ
is "$(wc -l <pictures) $(cat differ)" '237 ' '... every picture of every record is the bytes that came'
# all that img2dataset said of a sample
fields='[.url, .key, .status, .error_message, .width, .height, .original_width, .exif]'
cat clean.jsonl dropped.jsonl | jq -c "$fields" | LC_ALL=C sort -u >got
for f in shards/*.tar; do tar xOf "$f" --wildcards '*.json' | jq -c "$fields"; done | LC_ALL=C sort >said
same got said '... and every field'
is "$(cat clean.jsonl dropped.jsonl | grep -o '"similarity": *0.310, *"hash": *1844674407370955[0-9]*' | sort -u | wc -l)" 40 '... spelt as it came'
is "$(jq -c 'select(.source == "web") | [.text, .caption] | map(select(. != null and (contains("sale!! shoe") and contains("— 50% \"off\"")))) | length > 0' clean.jsonl | sort -u)" \
    true "... the web's text too"

# the same as a tar, and what it holds is what the lines hold
mkdir clean
run -b --to=tar --per-shard 50 -o 'clean/%05d.tar'
judged clean/*.tar dropped.jsonl >got
same got wanted 'shards: each text of the web and each caption is kept or dropped, once'
cat clean/*.tar >/dev/null
for f in clean/*.tar; do tar tf "$f" | grep 'ppm$' | while read -r member; do
    key=${member%.ppm}
    tar xOf "$f" "$member" | cmp -s - "in/${key%_*}.ppm" || echo "$member"
done; done >differ
is "$(for f in clean/*.tar; do tar tf "$f"; done | grep -c 'ppm$') $(cat differ)" "$kept " '... pictures are the bytes that came'
vlm-filter clean/*.tar | jq -c '[.key, .source, .itm]' >tars
jq -c '[.key, .source, .itm]' clean.jsonl | cmp -s - tars
report $? '... with the same scores as JSON lines'
finish
