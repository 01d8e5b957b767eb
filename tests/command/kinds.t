#!/bin/sh
# kinds.t - input of the wrong kind: one line with what helps, exit status 4 where nothing can be read
. "$(dirname "$0")/tap.sh"
. "$top/tests/command/pictures.sh"
picture good.ppm 1
mkdir folder

# refuses STATUS FILE WORDS: as an operand, in one line; and on standard input
refuses() {
    vlm-filter "$2" >out 2>err
    is "$? $(wc -l <err)" "$1 1" "$2: status and one line"
    like "$(cat err)" "$3" '... with what helps'
}
both() {
    refuses 4 "$1" "$2"
    is "$(wc -c <out)" 0 '... and no record'
    vlm-filter <"$1" >out 2>err
    is "$? $(wc -l <err)" '4 1' '... also on standard input'
    like "$(cat err)" "stdin: .*$2" '... with the same words'
}

printf 'PAR1\025\004\025\020' >a.parquet
both a.parquet "duckdb -c \"COPY \\(FROM 'FILE'\\)"
printf 'PK\003\004\024' >a.zip
both a.zip 'unzip FILE'
printf '7z\274\257\047\034\000' >a.7z
both a.7z '7z x FILE'
printf 'Rar!\032\007\000' >a.rar
both a.rar 'unrar x FILE'
printf '\3757zXZ\000' >a.xz
both a.xz 'xz -dc FILE'
printf 'SQLite format 3\000' >a.db
both a.db 'sqlite3 -csv -header FILE'
printf 'ARROW1\000\000' >a.arrow
both a.arrow 'Arrow'
printf '\200\004\225' >a.pkl
both a.pkl 'pickle'
printf '\357\273\277{"a":1}\n' >mark.jsonl
both mark.jsonl 'tail -c \+4 FILE'
printf '\377\376i\000,\000' >wide.csv
both wide.csv 'iconv -f UTF-16 -t UTF-8'
for array in '[{"image":"a"}]' '[
  {"image":"a"}
]' '["a.jpg","b.jpg"]' '[["a.jpg","a cat"]]' '[]'; do
    printf '%s\n' "$array" >array.json
    both array.json "jq -c '.\\[\\]'"
done
for object in '{
  "image": "a"
}' '{"image": "a",
 "text": "b"}' '{"list": [
  "a"]}'; do
    printf '%s\n' "$object" >pretty.json
    both pretty.json 'jq -c \. makes'
done
gzip -c a.zip >zip.gz
both zip.gz 'unzip FILE'
gzip -c zip.gz >twice.gz
both twice.gz 'compressed more than once.*gzip -dc FILE'
printf 'image;text\ngood.ppm;a cat\n' >semicolons.csv
both semicolons.csv 'neither commas nor tabs.*duckdb'
printf 'image,text\rgood.ppm,a cat\r' >returns.csv
both returns.csv "tr '.r' '.n'"
printf 'good.ppm\rother.ppm\r' >returns
both returns "tr '.r' '.n'"

# what stands for one picture leaves as a record, and says what helps
single() { # FILE WORDS CODE
    refuses 4 "$1" "$2"
    is "$(jq -r '.image, .error.code' out | tr '\n' ' ')" "$1 $3 " '... in its record'
}
printf 'some words\n' >note.txt
single note.txt '--from=names' unknown_format
printf 'a,b\n1,2\n' >table.csv
printf 'a\tb\n1\t2\n' >table.tsv
single table.csv 'it needs --from=csv' unknown_format
single table.tsv 'it needs --from=tsv' unknown_format
printf '\001\002\377' >rubbish
single rubbish 'neither records nor an image' unknown_format
printf '%%PDF-1.7\n' >a.pdf
single a.pdf 'pdftoppm' unknown_format
printf '<!DOCTYPE html><title>404</title>\n' >page.jpg
single page.jpg 'a page of the web' unknown_format
printf '<svg xmlns="http://www.w3.org/2000/svg"/>\n' >a.svg
single a.svg 'rsvg-convert FILE' unknown_format
printf '\000\000\000\040ftypisom' >a.mp4
single a.mp4 'ffmpeg -i FILE' unknown_format
single folder 'find folder -type f \| vlm-filter' io
single http://example.org/a.jpg 'curl -O URL' unsupported
is "$(vlm-filter -q note.txt folder 2>&1 >out) $(wc -l <out)" 'vlm-filter: no operand holds records or a picture 2' \
    'a quiet run says it too'
status 0 'beside what can be read it is a record with an error' vlm-filter -q note.txt folder good.ppm page.jpg
is "$(jq -r '.error.code // "good"' .out | tr '\n' ' ')" 'unknown_format io good unknown_format ' '... in its place'
status 4 'what holds no records is none' vlm-filter -q a.zip good.ppm
is "$(jq -r .image .out)" good.ppm '... and the other operands are read'

# what looks a little like another kind is not taken for it
printf '{"a":1,\n{"id":2}\n{"id":3}\n' >torn.jsonl
is "$(vlm-filter -q torn.jsonl | jq -c '.id // .error.code')" '"invalid_json"
2
3' 'a torn first line is its own trouble'
printf '[a] b.ppm\n[[x]] c.ppm\n' >names
is "$(vlm-filter <names | jq -r .image)" '[a] b.ppm
[[x]] c.ppm' 'names that begin with a bracket'
printf 'caf\351 {\n{"id":2}\n' >bytes.jsonl
is "$(vlm-filter -q bytes.jsonl | head -n 1 | jq -c '[.error.code, (.raw | length)]')" '["invalid_json",6]' \
    'a line that is no UTF-8 is an error'
is "$(vlm-filter -q bytes.jsonl | head -n 1 | grep -c 'caf.udce9 {')" 1 '... and its bytes are not lost'

tar cf a.tar good.ppm
like "$(echo a.tar | vlm-embed --image 2>&1 >/dev/null)" 'a.tar: a tar archive.*--from=list' 'a list of archives'
is "$(echo a.tar | vlm-filter --from=list | jq -r .__key__)" good '... which --from=list reads'

# all fail alike: the first is told, then how many
awk 'BEGIN { for (i = 1; i <= 100; i++) printf "{\"image\":\"none%d.jpg\"}\n", i }' >absent
vlm-embed --image absent >out 2>err
is "$? $(wc -l <out) $(wc -l <err)" '0 100 2' 'a hundred that fail alike: two lines'
is "$(cat err)" 'vlm-embed: absent:1: none1.jpg: No such file or directory
vlm-embed: 100 of 100 records failed alike, with not_found' '... which say it'
(cat absent && echo '{"image":"good.ppm"}') >mostly
vlm-embed --image mostly 2>err >out
is "$(wc -l <err) $(tail -n 1 err)" '101 vlm-embed: 100 of 101 records failed' 'one that is good: each is told'
(cat absent && echo '{"image":"page.jpg"}') >mostly
vlm-embed --image mostly 2>err >out
is "$(wc -l <err) $(sed -n 101p err | grep -c 'page.jpg')" '102 1' 'one that fails otherwise: each is told, in order'
is "$(sed -n 2p err)" 'vlm-embed: mostly:2: none2.jpg: No such file or directory' '... from the second on'
head -n 2 absent >two
vlm-embed --image two 2>err >out
is "$(wc -l <err)" 3 'two are told one by one'
vlm-embed --image --line-buffered absent 2>err >out
is "$(wc -l <err)" 101 'who looks on is told at once'
status 1 'too many that are alike' vlm-embed --image --max-errors 9 absent
is "$(tail -n 1 .err)" 'vlm-embed: 10 of 10 records failed alike, with not_found: too many' '... are counted'

# vlm-filter: nothing is kept in silence
printf '{"itm":0.1,"text":"a"}\n{"itm":0.2,"text":"b"}\n' >scored
says() { # WORDS OPTION...
    words=$1
    shift
    vlm-filter "$@" >out 2>err
    is "$? $(wc -c <out)" '0 0' "$*: nothing is kept"
    is "$(cat err)" "vlm-filter: $words" '... and one line says why'
}
says 'nothing was kept of 2 records' --keep 'itm > 0.5' scored
says 'nothing was kept of 2 records' --capfilt scored
says 'nothing was kept of 2 records' --top 0 scored
says "--keep 'sim > 0.5': no record has a field that it names" --keep 'sim > 0.5' scored
says "--top: no record has a number for --by 'sim'" --top 5 --by sim scored
sed 's/"itm":[0-9.]*,//' scored >unscored
says '--capfilt: no text has a score; vlm-itm adds it' --capfilt unscored
says "--top: no record has a number for --by 'itm'; vlm-itm adds itm" --top 5 unscored
is "$(vlm-filter -q --keep 'itm > 0.5' scored 2>&1)" '' 'a quiet run says nothing'
is "$(vlm-filter --keep 'itm > 0.15' scored 2>&1)" '{"itm":0.2,"text":"b"}' 'one that is kept needs no words'
finish
