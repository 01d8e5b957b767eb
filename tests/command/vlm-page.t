#!/bin/sh
# vlm-page.t - what the page holds, hostile texts, the sample, sprite sheets, decisions
. "$(dirname "$0")/tap.sh"
cp "$top/tests/golden/clip/picture.png" a.png
cp a.png b.png

cat >kept.jsonl <<'R'
{"id":12345678901234567890,"image":"a.png","text":"a red dog","itm":0.9,"itc":0.31}
{"image":"b.png","text":"</script><script>alert(1)</script>","itm":0.7,"image_embedding":[0.1,0.2,0.3]}
{"id":"gone","image":"none.png","text":"a cat","itm":[0.2,0.6]}
{"id":4,"image":"b.png","error":{"stage":"decode","code":"truncated","message":"b.png: truncated"}}
R
cat >dropped.jsonl <<'R'
{"id":5,"image":"a.png","text":"sale","itm":0.1,"reason":"itm 0.1 is below 0.5"}
{"id":6,"image":"a.png","text":"sale","itm":0.2,"reason":"itm 0.2 is below 0.5"}
{"id":7,"image":"a.png","text":"sale","itm":0.3,"reason":"not: itc > 0.2"}
R
part() { # NAME FILE: the text of a script element
    awk -v open="id=\"$1\">" '{ at = index($0, open) } at { on = 1; $0 = substr($0, at + length(open)) }
        on { end = index($0, "</script>"); print end ? substr($0, 1, end - 1) : $0; if (end) exit }' "$2"
}
status 0 'a page of two files' vlm-page --dropped dropped.jsonl -o page.html kept.jsonl
is "$(part head page.html | jq -c '[.kept,.dropped,.errors,.sampled,.codes,.reasons]')" \
    '[3,3,1,false,{"truncated":1},{"itm … is below 0.5":2,"not: itc > 0.2":1}]' 'counts, codes and reasons'
is "$(part records page.html | jq -c '[length, (map(.[0])), (map(.[3]))]')" \
    '[7,[0,0,0,2,1,1,1],["12345678901234567890",null,"\"gone\"","4","5","6","7"]]' \
    'states and ids, each id as it was spelt'
is "$(part records page.html | jq -c '[.[2][1], .[0][1], .[0][2], .[1][5].image_embedding]')" '[-1,0,[],[0.1,0.2,0.3]]' \
    'a picture that is gone has no number'
is "$(part records page.html | jq -c 'map(.[6])')" '["text","text","text",null,"text","text","text"]' \
    'which field has the first text'
is "$(part records page.html | jq -r '.[1][5].text')" '</script><script>alert(1)</script>' \
    'a text comes back as it was'
is "$(grep -c 'alert(1)<' page.html)" 0 'no tag of a record is a tag of the page'
like "$(cat page.html)" "Content-Security-Policy\" content=\"default-src 'none'" 'a policy that forbids requests'
is "$(grep -Eo '(src|href)="?(https?:)?//' page.html)" '' 'nothing is fetched'
part pictures page.html | head -n 1 | base64 -d >small.jpg
is "$(vlm-page -o again.html small.jpg; part head again.html | jq -c .kept)" 1 'small pictures are JPEG files that we read'

vlm-page -j1 --batch 1 --dropped dropped.jsonl -o one.html kept.jsonl
same page.html one.html 'the same bytes with one thread and other batches'
vlm-page --dropped dropped.jsonl kept.jsonl >stdout.html
same page.html stdout.html 'the same bytes on standard output'

status 0 'sprite sheets beside the page' vlm-page --inline 0 --dropped dropped.jsonl -o far.html kept.jsonl
is "$(ls far.sprites)" 0000.jpg 'in a folder of its name'
is "$(part head far.html | jq -c .sprites)" '{"across":8,"side":128,"folder":"far.sprites"}' 'which the page knows'
is "$(part pictures far.html)" '' 'and no picture inside'
vlm-page --inline 0 --side 512 -o 'a?b #%é".html' kept.jsonl
is "$(part head 'a?b #%é".html' | jq -c .sprites)" '{"across":2,"side":512,"folder":"a%3Fb%20%23%25%C3%A9%22.sprites"}' \
    'larger pictures, fewer a sheet; the name is one in a URL'
ok 'while the folder has its own' test -e 'a?b #%é".sprites/0000.jpg'
status 1 'sheets need a file beside which they lie' vlm-page --inline 0 kept.jsonl
like "$(cat .err)" 'give --output' 'and this is said'

awk 'BEGIN { for (i = 0; i < 400; i++) printf "{\"id\":%d,\"text\":\"t\",\"itm\":%.4f}\n", i, i < 360 ? 0.95 + i / 10000 : (i - 360) / 50 }' >many.jsonl
vlm-page --sample 40 -o some.html many.jsonl
is "$(part records some.html | jq length)" 40 '--sample: so many'
is "$(part records some.html | jq '[.[] | select(.[5].itm < 0.9)] | length >= 30')" true 'of every range of the score'
is "$(part head some.html | jq -c '[.kept,.sampled]')" '[400,true]' 'while counts are of all'
vlm-page --sample 40 --batch 3 -j1 -o some2.html many.jsonl
same some.html some2.html 'the same sample for other batches'
is "$(part records some.html | md5sum; vlm-page --sample 40 --seed 7 many.jsonl >s7; part records s7 | md5sum | tail -n 1)" \
    "$(part records some.html | md5sum; part records s7 | md5sum)" 'a seed chooses'
[ "$(part records some.html | md5sum)" != "$(part records s7 | md5sum)" ]
report $? 'and another seed others'

: >empty.jsonl
status 0 'no records: a page that says so' vlm-page -o empty.html empty.jsonl
is "$(part records empty.html | jq -c .)" '[]' 'with an empty list'
status 2 'a page is neither JSON nor CBOR' vlm-page -b kept.jsonl
status 2 'a seed without a sample' vlm-page --seed 1 kept.jsonl
{ echo none; cat kept.jsonl; } >bad.jsonl
status 0 'a record that is none' vlm-page -o bad.html bad.jsonl
like "$(cat .err)" 'bad.jsonl:1: not a JSON object' 'is named'
is "$(part head bad.html | jq -c '[.kept,.errors]')" '[3,2]' 'and stands among the errors'
vlm-page -q --on-error skip -o bad.html bad.jsonl
is "$(part head bad.html | jq -c '[.kept,.errors]')" '[3,0]' 'or none does'
status 1 'or ends the run' vlm-page --on-error fail -o none.html bad.jsonl
status 1 'a full disk is an error' sh -c 'vlm-page kept.jsonl >/dev/full'
status 1 'a file of dropped records that is not there' vlm-page --dropped nope.jsonl -o x.html kept.jsonl
[ ! -e x.html ]
report $? 'leaves no page'

# the first text as vlm-filter takes it: not one that vlm-caption wrote, and no list that holds another value
cat >texts.jsonl <<'R'
{"id":1,"caption":"ours","caption_source":"vlm","title":"theirs"}
{"id":2,"text":["a",1],"caption":"b"}
{"id":3,"itm":0.5}
{"id":4,"caption":"ours","caption_source":"vlm","duplicate_of":12345678901234567890}
{"id":5,"duplicate_of":null,"alt":"other"}
R
vlm-page -o texts.html texts.jsonl
is "$(part records texts.html | jq -c 'map(.[6:])')" \
    '[["title"],[null],[null],["caption","12345678901234567890"],[null]]' 'the first text, and duplicate_of as it is spelt'
vlm-page --text-field alt -o texts.html texts.jsonl
is "$(part records texts.html | jq -c 'map(.[6])')" '[null,null,null,null,"alt"]' 'of the field that is named'
is "$(part head texts.html | jq -c '.texts[:2]')" '["alt","text"]' 'which the page shows first'

# texts stand whole, other fields do not
long=$(awk 'BEGIN { for (i = 0; i < 700; i++) printf "w\303\266rd " }')
captions=$(awk 'BEGIN { for (i = 0; i < 40; i++) printf "%s\"caption %d of forty: %060d\"", i ? "," : "", i, i }')
cat >long.jsonl <<R
{"id":1,"text":"${long}A","note":"${long}A","itm":0.9}
{"id":1,"text":"${long}B","note":"short","itm":0.1}
{"id":2,"captions":[$captions],"tags":[$captions]}
{"id":3,"text":"data: five pictures","url":"data: five pictures"}
{"id":4,"other":"${long}C"}
{"id":5,"text":["a",[1,2]],"list":["a",[1,2]]}
R
vlm-page -o long.html long.jsonl
is "$(part records long.html | jq -r '.[0][5].text')" "${long}A" 'a long text stands whole'
is "$(part records long.html | jq -r '.[0][5].note | [length > 1000, length < 2000, endswith("…")] | @tsv')" \
    "$(printf 'true\ttrue\ttrue')" 'another long field is cut, not inside a letter'
is "$(part records long.html | jq -c '.[2][5] | [(.captions | length), .tags]')" '[40,null]' 'forty captions stand, another long list does not'
is "$(part records long.html | jq -c '.[3][5]')" '{"id":3,"text":"data: five pictures"}' 'a text that begins like a URI is a text'
vlm-page --text-field other -o long.html long.jsonl
is "$(part records long.html | jq -r '.[4][5].other')" "${long}C" 'the text that is named stands whole too'

# heat maps: of every field, from the folder that vlm-itm ran in, or below --root
mkdir pics maps
cp a.png pics/a.png
cp a.png maps/1.png
cp a.png maps/2.png
cp a.png pics/beside.png
echo '{"image":"a.png","heatmap.text":"maps/1.png","heatmap.caption":["maps/2.png","maps/none.png"],"heatmaps":"maps/1.png","heatmap":"beside.png"}' >heat.jsonl
vlm-page --root pics -o heat.html heat.jsonl
is "$(part records heat.html | jq -c '.[0][1:3]')" '[0,[1,2,3]]' 'heat maps of each field, beside the images or where vlm-itm ran'
rm -r pics/a.png
vlm-page --root pics -o heat.html heat.jsonl
is "$(part records heat.html | jq -c '.[0][1:3]')" '[-1,[0,1,2]]' 'also where the picture is gone'
echo "{\"id\":1,\"heatmap\":\"$PWD/maps/1.png\"}" >away.jsonl
vlm-page -o away.html away.jsonl
is "$(part records away.html | jq -c '.[0][2]')" '[0]' 'a heat map with its whole path'
vlm-page --confine -o away.html away.jsonl
is "$(part records away.html | jq -c '.[0][2]')" '[]' 'which --confine refuses'
mkdir shard
cp a.png shard/1.png
cp away.jsonl shard/1.json
tar -cf shard.tar -C shard 1.png 1.json
vlm-page -o shard.html shard.tar
is "$(part records shard.html | jq -c '.[0][1:3]')" '[0,[]]' 'and a record of a tar may not name'

# hostile options
vlm-page --title '</title><script>alert(1)</script>&amp;' --score '</script><b>' -o title.html kept.jsonl
is "$(grep -c '<script>alert' title.html)" 0 'a title is no markup'
like "$(cat title.html)" '<title>&lt;/title>&lt;script>alert\(1\)&lt;/script>&amp;amp;</title>' 'it stands as it was given'
is "$(part head title.html | jq -r .score)" '</script><b>' 'nor is a name of a field'

awk 'BEGIN { for (i = 0; i < 5; i++) printf "{\"id\":%d,\"text\":\"t\",\"provenance\":[{\"command\":\"vlm-itm\",\"model\":\"%s\"}]}\n", i, i < 3 ? "a1" : "</script>" }' >made.jsonl
vlm-page -o made.html made.jsonl
is "$(part head made.html | jq -c '.provenance | to_entries[] | [(.key | fromjson)[0].model, .value]' | tr '\n' ' ')" \
    '["a1",3] ["</script>",2] ' 'how records were made is counted'
is "$(part head page.html | jq -c .provenance)" '{}' '... where they say it'

# decisions
cat >scored.jsonl <<'R'
{"id":1,"text":"a","itm":0.9}
{"id":2,"text":"b","itm":0.1}
{"text":"no id","itm":0.8}
{"text":"no id either","itm":0.2}
{"id":1,"text":"another text of 1","itm":0.7}
R
vlm-filter --keep 'itm > 0.5' --dropped d.jsonl scored.jsonl >k.jsonl
vlm-page --dropped d.jsonl -o p.html k.jsonl
key() { part records p.html | jq -r ".[] | select(.[5].text == \"$1\") | .[4]"; }
{
    echo '{"id":1,"keep":false,"truth":false,"itm":0.9,"text":"a"}'
    echo '{"id":2,"keep":true,"truth":true,"itm":0.1,"text":"b"}'
    echo "{\"key\":\"$(key 'no id')\",\"keep\":false,\"truth\":false,\"itm\":0.8}"
    echo "{\"key\":\"$(key 'no id either')\",\"keep\":true,\"truth\":true,\"itm\":0.2}"
} >decisions.jsonl
is "$(vlm-filter --keep 'itm > 0.5' --decisions decisions.jsonl --dropped d2.jsonl scored.jsonl 2>.err | jq -r .text | tr '\n' ',')" \
    'b,no id either,another text of 1,' 'decisions are applied over the rule'
is "$(cat .err)" '' 'each is about a record'
is "$(jq -r '.text + ": " + .reason' d2.jsonl | tr '\n' ',')" 'a: decision,no id: decision,' 'what they drop says so'
is "$(vlm-eval --task itm decisions.jsonl | jq -c '[.auc, .records]')" '[0,4]' 'vlm-eval reads the same file'
awk 'NR > 2' scored.jsonl >part.jsonl
vlm-filter --decisions decisions.jsonl part.jsonl 2>.err >/dev/null
like "$(cat .err)" 'decisions.jsonl: 2 of 4 decisions are about no record of the input' 'decisions without their record are counted'
is "$(vlm-filter --shard 1/2 --decisions decisions.jsonl part.jsonl 2>&1 >/dev/null | grep decisions)" '' '... not in a shard, which has some of the records'
cat >texts.jsonl <<R
{"id":1,"text":"${long}A"}
{"id":1,"text":"${long}B"}
{"id":1,"text":"a\u0000b"}
{"id":1,"text":"a\u0000c"}
{"id":1,"text":"a"}
{"id":1,"text":""}
{"id":1,"captions":["a\u0000b","x"]}
R
for row in 1 2 4 5 6; do
    awk -v row=$row 'NR == row { sub(/}$/, ",\"keep\":false}"); print }' texts.jsonl >one.jsonl
    is "$(vlm-filter --decisions one.jsonl texts.jsonl)" "$(awk -v row=$row 'NR != row' texts.jsonl)" \
        "a decision names the text whole: $row"
done
printf '%s\n' '{"id":1,"keep":false,"text":"a\u0000b"}' >one.jsonl
is "$(vlm-filter --decisions one.jsonl texts.jsonl | wc -l)" 5 'of a list the first text counts'
echo '{"id":1,"keep":false}' >one.jsonl
is "$(vlm-filter -q --decisions one.jsonl texts.jsonl)" '' 'without a text it is about all with that id'
echo '{"keep":true}' >bad.jsonl
status 3 'a decision on nothing' vlm-filter --decisions bad.jsonl scored.jsonl
like "$(cat .err)" 'bad.jsonl: line 1' 'names its line'
finish
