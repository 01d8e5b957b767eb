#!/bin/sh
# recipes.t - the recipes that need no other program, pasted as they are (others: tests/engines)
. "$(dirname "$0")/../engines/engines.sh"

# drawings that the built-in model knows
unset VLM_MODEL
drawing() { # FILE SHAPE COLOUR
    awk -v shape="$2" -v colour="$3" 'BEGIN {
        print "P3 64 64 255"
        for (y = 0; y < 64; y++)
            for (x = 0; x < 64; x++) {
                in_circle = (x - 32) * (x - 32) + (y - 32) * (y - 32) < 24 * 24
                in_square = x > 10 && x < 54 && y > 10 && y < 54
                print (shape == "circle" ? in_circle : in_square) ? colour : "255 255 255"
            }
    }' >"$1"
}

# shards as img2dataset makes them
mkdir -p shards s
i=0
for what in 'green circle:40 160 60' 'yellow circle:250 200 40' 'blue square:40 80 220' 'red circle:220 40 40' 'green square:40 160 60' 'blue circle:40 80 220'; do
    name=${what%:*}
    drawing p$i.ppm "${name#* }" "${what#*:}"
    cp p$i.ppm s/00000000$i.ppm
    printf 'a %s' "$name" >s/00000000$i.txt
    printf '{"caption":"a %s","url":"http://x/%d.jpg","key":"00000000%d","status":"success","uid":"%032x","width":64,"similarity":1.10,"hash":12345678901234567890}' \
        "$name" $i $i $((i * 7919)) >s/00000000$i.json
    i=$((i + 1))
done
# a damaged picture
head -c 9000 s/000000003.ppm >cut && mv cut s/000000003.ppm
(cd s && tar cf ../shards/00000.tar 00000000[012].* && tar cf ../shards/00001.tar 00000000[345].*)
recipe img2dataset >script
ok 'img2dataset: the recipe runs' bash script
vlm-caption --sample -q -b shards/*.tar | vlm-itm -b | vlm-filter >all.jsonl
good=$(jq -c 'select(.error | not)' all.jsonl | wc -l)
kept=$(vlm-filter clean/*.tar | jq -c '[.key, .source]')
dropped=$(jq -c 'select(.error | not) | [.key, .source]' dropped.jsonl)
is "$(printf '%s\n' "$kept" "$dropped" | grep -c '"web"') $(printf '%s\n' "$kept" "$dropped" | grep -c '"synthetic"')" "$good $good" \
    '... every web text is judged, and every caption'
is "$good $(jq -r 'select(.error).reason' dropped.jsonl)" '5 error: truncated' '... a damaged picture is dropped with its reason'
is "$(jq -c 'select(.error | not) | [.caption, .synthetic | type]' all.jsonl | sort -u)" '["string","string"]' "... the web's text stays the web's"
like "$kept" '"000000000","web"' '... a text that fits is kept'
for f in $(tar tf clean/00000.tar | grep ppm); do
    tar xOf clean/00000.tar "$f" | cmp - "p$(echo "$f" | cut -c9).ppm"
done >different 2>&1
is "$(cat different)" '' '... pictures are the same bytes'
cp clean/00000.tar before.tar
bash script 2>/dev/null
same clean/00000.tar before.tar '... once more: the same shard'

recipe datacomp >script
ok 'datacomp: the recipe runs' bash script
is "$(wc -c <keep.npy)" $((128 + 2 * 16)) '... and keeps 30 percent, rounded up'
best=$(vlm-sim -q shards/*.tar | jq -s -r 'map(select(.sim)) | sort_by(-.sim)[:2][].uid' | sort)
is "$(tail -c +129 keep.npy | od -An -v -w16 -tx8 --endian=little | tr -d ' ')" "$best" '... those with the highest cosine'

# kohya's folders: repeats and a name
mkdir -p 'train/10_red dog'
cp p1.ppm 'train/10_red dog/1.ppm'
cp p2.ppm 'train/10_red dog/2.ppm'
echo 'by hand' >'train/10_red dog/2.txt'
recipe kohya >script
ok 'kohya: the recipe runs' bash script
is "$(cat train/*/2.txt; wc -l <train/*/1.txt)" 'by hand
1' '... a caption where none was'

# the line of a crontab, as cron runs it: five fields, then sh with little in its environment
mkdir pictures
for i in 0 1 2; do cp p$i.ppm pictures/$i.jpg; done
recipe cron >crontab
is "$(wc -l <crontab; grep -c '%' crontab)" '1
0' 'cron: one line, without a percent sign'
line=$(cut -d ' ' -f 6- crontab)
cron() { env -i HOME="$work" SHELL=/bin/sh PATH="$build:/usr/bin:/bin" /bin/sh -c "$line"; }
ok '... the first night' cron
is "$(cat .out .err)" '' '... nothing is printed'
is "$(wc -l <captions.jsonl)" 3 '... all are captioned'
cp captions.jsonl first.jsonl
cp p3.ppm pictures/3.jpg
cp p4.ppm pictures/1.jpg
rm pictures/0.jpg
echo broken >pictures/9.jpg
cron 2>mail
is "$(wc -l <captions.jsonl) $(grep -c 9.jpg mail)" '4 1' '... the next: what is new; one line for a broken picture'
cron 2>mail
is "$(cat mail)" '' '... which is not repeated'
(cd pictures && find . -name '*.jpg' | LC_ALL=C sort | vlm-caption -q) >fresh
same captions.jsonl fresh '... the bytes of a run from nothing'
like "$(cat captions.prom)" 'vlm_records_total\{command="vlm-caption"\} 4' '... and a monitor may look'
flock -F .lock sleep 120 &
locked() { ! flock -n .lock true; }
wait_for locked
cron
is "$?" 1 '... a slow night: the next leaves it alone'
kill $!

grep '^\.\\" recipe' "$top/man/vlm-recipes.7" | while read -r _ _ name; do
    grep -q "recipe $name" "$top"/tests/command/recipes.t "$top"/tests/engines/*.large || echo "$name"
done >missing
is "$(cat missing)" '' 'every recipe is run by a test'
finish
