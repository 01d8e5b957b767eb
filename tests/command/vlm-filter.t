#!/bin/sh
# vlm-filter.t - keep, top, capfilt, what is dropped, mistakes
. "$(dirname "$0")/tap.sh"

records() {
    cat <<'R'
{"id":1,"text":"a red dog","itm":0.9,"itc":0.31,"note":12345678901234567890}
{"id":2,"text":"two","itm":0.2,"itc":0.35}
{"id":3,"text":"A Cat, sleeping","itm":0.7,"itc":-0.10}
{"id":4,"text":["x y","z"],"itm":[0.1,0.8],"itc":[0.2,0.1]}
{"id":5,"text":"no score"}
{"id":6,"image":"b.jpg","error":{"stage":"decode","code":"truncated","message":"b.jpg: truncated"}}
R
}
ids() { jq -r .id | tr '\n' ' '; }
kept() { # EXPR IDS
    is "$(records | vlm-filter -q --keep "$1" | ids)" "$2" "--keep '$1'"
}

is "$(records | vlm-filter)" "$(records)" 'nothing to choose: everything passes, byte for byte'
kept 'itm >= 0.5' '1 3 4 '
kept 'itm >= 0.5 && itc > 0.2' '1 '
kept 'all(itm >= 0.5)' '1 3 '
kept '!(itm >= 0.5)' '2 5 '
kept 'itm < 0.5 || itc < 0' '2 3 4 '
kept 'min(itm) + 0.1 < 0.31' '2 4 '
kept '-itc * 2 == 0.2' '3 '
kept 'text =~ "^[aA] "' '1 3 '
kept 'words(text) == 3' '1 3 '
kept 'len(text) == 3' '2 '
is "$(echo '{"t":["A dog","B"]}' | vlm-filter -k 'lower(t) == "b" && words(t) == 2 && !(words(t) == 3)' | wc -l | tr -d ' ')" 1 'lower() and words() of a list look at each element'
is "$(printf '{"t":"a\343\200\200b\302\240c"}\n' | vlm-filter -k 'words(t) == 3' | wc -l | tr -d ' ')" 1 'a wide space and an unbreakable one part words'
kept 'lower(text) =~ "cat"' '3 '
kept 'text == "z"' '4 '
kept 'has(itm)' '1 2 3 4 '
kept 'itm == null' '5 '
kept 'text != null && itm / 2 > 0.4' '1 '
kept '`itm` > abs(0 - 0.5) && true' '1 3 4 '
is "$(records | vlm-filter -q -k 'itm > 0.5' -k 'itc > 0' | ids)" '1 4 ' 'all of several --keep must hold'
records | vlm-filter --keep 'itm >= 0.5' --dropped out >/dev/null 2>err
is "$(jq -c 'select(.id == 6) | [.reason, .error.code]' out)" '["error: truncated","truncated"]' \
    'a record with an error is dropped with that reason'
like "$(cat err)" '1 records with an error went to out' 'and counted'
records | vlm-filter --top 1 >out 2>err
is "$(ids <out)" '1 ' '--top chooses no record with an error'
like "$(cat err)" '1 records with an error were left out' 'and says what it left out'
is "$(records | vlm-filter --keep 'itm >= 0.5' --errors=pass | ids)" '1 3 4 6 ' '--errors=pass'
letters() { # EXPR COUNT
    is "$(printf '{"t":"\303\251"}\n{"t":"\303\244\303\266"}\n{"t":"\303\204B"}\n' | vlm-filter --keep "$1" | wc -l | tr -d ' ')" "$2" \
        "letters beyond ASCII: $1"
}
if [ -z "$MINIMAL" ]; then
    letters 't =~ "[àè]"' 0
    letters 't =~ "^..$"' 2
    letters 't =~ "^[[:alpha:]]+$"' 3
fi
letters 'len(t) == 2' 2
letters 'lower(t) == "äb"' 1
is "$(awk 'BEGIN { printf "{\"t\":\""; for (i = 0; i < 70000; i++) printf "y"; print "\"}" }' |
    vlm-filter -q --errors=pass --keep 't =~ "y.*[0-9]"' | jq -r '.error | .stage, .code' | tr '\n' ' ')" 'filter too_complex ' \
    'a pattern that would take the square of a text'"'"'s length'
is "$(printf '{"t":"a\\nb"}\n' | vlm-filter --keep 't =~ "a.b$"' | wc -l | tr -d ' ')" 1 'a point matches a newline'
awk 'BEGIN { printf "1"; for (i = 0; i < 30000; i++) printf "+1"; print " == 30001" }' >sum
is "$(echo '{}' | vlm-filter --keep "$(cat sum)")" '{}' 'a long sum'
awk 'BEGIN { printf "id==0"; for (i = 1; i < 10000; i++) printf "||id==%d", i }' >any
is "$(printf '{"id":9999}\n{"id":10000}\n' | vlm-filter --keep "$(cat any)")" '{"id":9999}' 'a long choice'
is "$(awk 'BEGIN { for (i = 0; i < 2000; i++) s = s (i ? "," : "") i; print "{\"a\":[" s "],\"b\":[" s "]}" }' |
    vlm-filter -q --errors=pass --keep 'a == b' | jq -r .error.code)" too_complex 'two long lists'
is "$(echo '{"a":{"b":3},"itm.text":0.4}' | vlm-filter --keep 'a.b == 3 && itm.text < 0.5')" \
    '{"a":{"b":3},"itm.text":0.4}' 'members of objects, and names with a dot'

mistake() { # EXPR COLUMN
    status 3 "a mistake in '$1'" vlm-filter --keep "$1" </dev/null
    like "$(cat .err)" "column $2:" "... is pointed at"
}
mistake 'itm >= && itc' 8
mistake 'itm > 0.5 )' 11
mistake 'foo(itm)' 1
mistake 'itm = 1' 5
mistake '(itm > 1' 9
mistake 'text =~ "("' 12
mistake 'text == "abc' 9
mistake '' 1

top() { # ARGUMENTS IDS
    is "$(records | head -n 3 | vlm-filter $1 | ids)" "$2" "$1"
}
top '--top 1 --by itc' '2 '
top '--top 2 --by itc' '1 2 '
top '--top 50% --by itc' '1 2 '
top '--top 34% --by itm' '1 3 '
top '--top 33% --by itm' '1 '
top '--top 0' ''
top '--top 100%' '1 2 3 '
top '--top 99' '1 2 3 '
top '--top 1 --lowest --by itc' '3 '
seq 5000 | sed 's/.*/{"id":&,"itm":0.25}/' >equal
is "$(vlm-filter --top 2 equal | ids)" '1 2 ' 'of equals the first stay'
seq 20000 | awk 'BEGIN { srand(7) } { printf "{\"id\":%d,\"itm\":%.5f}\n", $1, 2 * rand() - 1 }' >many
jq -r '"\(.itm) \(.id)"' many | sort -k1,1gr -k2,2n | head -n 6000 | cut -d' ' -f2 | sort -n >wanted
vlm-filter --top 30% many | jq -r .id >got
same got wanted '--top 30% of 20,000 is what sort finds, in the order of the input'
vlm-filter --top 30% --batch 7 --threads 3 many >a
vlm-filter --top 30% many >b
same a b '... whatever batch and threads'
status 3 'a --top that is no number' vlm-filter --top many </dev/null
status 3 'a percentage above 100' vlm-filter --top 101% </dev/null

records | vlm-filter --keep 'itm >= 0.5' --dropped out >/dev/null
is "$(jq -c '[.id,.reason]' out | tr '\n' ' ')" '[2,"not: itm >= 0.5"] [5,"not: itm >= 0.5"] [6,"error: truncated"] ' \
    'what is dropped has its reason'
records | head -n 2 | vlm-filter --top 1 --by itc --dropped out >/dev/null
is "$(jq -c '[.id,.reason]' out)" '[1,"not among the 1 with the highest itc"]' '... of --top too'

pairs() {
    cat <<'R'
{"id":1,"text":"good","caption_source":"vlm","caption":"fine","n":1.10,"itm":0.9,"itm.caption":0.6}
{"id":2,"text":"bad","caption_source":"vlm","caption":"fine","itm":0.1,"itm.caption":0.6}
{"id":3,"text":"bad","caption_source":"vlm","caption":"worse","itm":0.1,"itm.caption":0.2}
{"id":4,"text":"good","caption_source":"vlm","captions":["a","b","c"],"itm":0.7,"itm.captions":[0.8,0.4,0.9]}
{"id":5,"caption_source":"vlm","caption":"alone","itm":0.5}
R
}
cap() { # ARGUMENTS EXPECTED
    is "$(pairs | vlm-filter --capfilt $1 | jq -c '[.id,.text,.source,.itm]' | tr '\n' ' ')" "$2" \
        "--capfilt $1"
}
cap '' '[1,"good","web",0.9] [1,"fine","synthetic",0.6] [2,"fine","synthetic",0.6] [4,"good","web",0.7] [4,"a","synthetic",0.8] [4,"c","synthetic",0.9] [5,"alone","synthetic",0.5] '
cap '--merge best' '[1,"good","web",0.9] [2,"fine","synthetic",0.6] [4,"c","synthetic",0.9] [5,"alone","synthetic",0.5] '
cap '--merge topk:2' '[1,"good","web",0.9] [1,"fine","synthetic",0.6] [2,"fine","synthetic",0.6] [4,"a","synthetic",0.8] [4,"c","synthetic",0.9] [5,"alone","synthetic",0.5] '
cap '--merge fallback' '[1,"good","web",0.9] [2,"fine","synthetic",0.6] [4,"good","web",0.7] [5,"alone","synthetic",0.5] '
cap '--threshold 0.85' '[1,"good","web",0.9] [4,"c","synthetic",0.9] '
cap '--top 2' '[1,"good","web",0.9] [4,"c","synthetic",0.9] '
is "$(pairs | head -n 1 | vlm-filter --capfilt | head -n 1)" \
    '{"id":1,"text":"good","n":1.10,"itm":0.9,"source":"web"}' 'other fields stay, byte for byte'
pairs | vlm-filter --capfilt --dropped out >/dev/null
is "$(jq -r .reason out | sort | uniq -c | tr -s ' ' | tr '\n' ';')" \
    ' 2 itm 0.1 is below 0.5; 1 itm 0.2 is below 0.5; 1 itm 0.4 is below 0.5;' 'texts that fall have their reason'
said() { # PATTERN ARGUMENTS...: on standard error, with status 0
    pattern=$1
    shift
    records | head -n 3 | vlm-filter "$@" >/dev/null 2>err
    like "$? $(cat err)" "^0 vlm-filter: $pattern" "$*: $pattern"
}
said '--keep .*no record has a field' --keep 'score > 3'
said '--top: no record has a number for --by .prob' --top 2 --by prob
echo '{"text":"a"}' | vlm-filter --capfilt >/dev/null 2>err
like "$(cat err)" 'capfilt: no text has a score; vlm-itm' '--capfilt without scores says so'
records | head -n 3 | vlm-filter --keep 'itm > 2' >/dev/null 2>err
is "$(cat err)" 'vlm-filter: nothing was kept of 3 records' 'a field that is there is not reported'

# texts of the web in other fields, beside what vlm-caption wrote
one='{"TEXT":"web","caption":"ours","caption_source":"vlm","itm":0.9,"itm.caption":0.8,"logprob":-1,"n":1}'
is "$(echo "$one" | vlm-filter --capfilt | tr '\n' ' ')" \
    '{"TEXT":"web","itm":0.9,"n":1,"source":"web"} {"TEXT":"ours","itm":0.8,"logprob":-1,"n":1,"source":"synthetic"} ' \
    'a web text in TEXT; logprob is the written one'"'"'s'
two='{"caption":"web","synthetic":"ours","itm":0.9,"itm_logit":2,"itm.synthetic":0.8,"itm_logit.synthetic":1,"itc.synthetic":0.3}'
is "$(echo "$two" | vlm-filter --capfilt | tr '\n' ' ')" \
    '{"caption":"web","itm":0.9,"itm_logit":2,"source":"web"} {"caption":"ours","itm":0.8,"itm_logit":1,"source":"synthetic","itc":0.3} ' \
    'a caption that came in is the web'"'"'s'
is "$(echo '{"text":"web","caption":"web","itm":0.9,"itm.caption":0.9}' | vlm-filter --capfilt)" \
    '{"text":"web","itm":0.9,"source":"web"}' 'the same text in two fields is one'
cp "$top/tests/golden/clip/picture.png" a.png
printf '{"text":"x","caption":"a bike","caption_source":"vlm","itm":0.9,"itm.caption":0.8}' >a.json
tar cf a.tar a.png a.json
vlm-filter -b --capfilt a.tar | vlm-filter | jq -r .image | sed 's/^[^,]*,//' >pictures
is "$(sort -u pictures | wc -l | tr -d ' ') $(wc -l <pictures | tr -d ' ')" '1 2' "both pairs have the shard's picture"
ok '... byte for byte' sh -c 'head -n 1 pictures | base64 -d | cmp - a.png'
many() { # a large record of 200 texts: copies do not pile up
    awk 'BEGIN {
        printf "{\"pad\":\"%02000000d\",\"caption_source\":\"vlm\",\"captions\":[", 0
        for (i = 0; i < 200; i++) printf "%s\"%d\"", i ? "," : "", i
        printf "],\"itm\":["
        for (i = 0; i < 200; i++) printf "%s1", i ? "," : ""
        print "]}"
    }'
}
sanitized || is "$(many | sh -c 'ulimit -v 500000; vlm-filter --capfilt -j1' | wc -l | tr -d ' ')" 200 'many texts of a large record'
status 3 'a merge rule that is none' vlm-filter --capfilt --merge most </dev/null

records | vlm-filter --histogram --by itc >/dev/null 2>out
like "$(cat out)" '^itc: 3 values, 2 missing, mean 0.1867, from -0.1 to 0.35$' '--histogram'

# uids: the halves as little-endian numbers, sorted, each once; what numpy.save writes for "u8,u8"
pairs() { # HIGH LOW ITM ...
    while [ $# -ge 3 ]; do
        printf '{"uid":"%s%s","itm":%s}\n' "$1" "$2" "$3"
        shift 3
    done
}
pairs ffffffffffffffff 0000000000000001 0.9 0000000000000002 FFFFFFFFFFFFFFFF 0.8 0000000000000002 00000000000000ff 0.7 \
    0000000000000003 0000000000000000 0.1 ffffffffffffffff 0000000000000001 0.6 >uids.jsonl
status 0 '--uids' vlm-filter --keep 'itm > 0.5' --uids kept.npy uids.jsonl
is "$(wc -l <.out) $(wc -c <kept.npy)" '4 176' 'one row for each uid that is kept'
is "$(head -c 128 kept.npy | tail -c +11)" "{'descr': [('f0', '<u8'), ('f1', '<u8')], 'fortran_order': False, 'shape': (3,), }$(printf '%35s')" \
    "NumPy's header"
is "$(tail -c +129 kept.npy | od -An -v -w16 -tx8 --endian=little | tr -s ' ' | sed 's/^ //')" \
    '0000000000000002 00000000000000ff
0000000000000002 ffffffffffffffff
ffffffffffffffff 0000000000000001' 'sorted, and each once'
vlm-filter --top 1 --uids best.npy uids.jsonl >best
is "$(wc -l <best) $(wc -c <best.npy)" '1 144' '... with --top'
vlm-filter --keep 'itm > 2' --uids none.npy uids.jsonl 2>/dev/null
is "$(wc -c <none.npy)" 128 'nothing kept: an array of nothing'
is "$(printf '%s\n' '{"uid":"7"}' '{}' | vlm-filter -q --uids u.npy | jq -r .error.code | tr '\n' ' ')" 'no_uid no_uid ' 'a record without a uid'
status 1 '--uids on a full disk' sh -c 'vlm-filter --uids /dev/full uids.jsonl'
status 1 'a folder that is not there' vlm-filter --uids no/u.npy uids.jsonl
status 2 '--uids and --resume' vlm-filter --uids u.npy --resume x uids.jsonl

status 1 'a full disk' sh -c 'records() { seq 1000 | sed "s/.*/{\"id\":&}/"; }; records | vlm-filter >/dev/full'
status 1 'a full disk for what is dropped' sh -c 'echo "{}" | vlm-filter -k false --dropped /dev/full'
is "$(seq 100000 | sed 's/.*/{"id":&}/' | vlm-filter | head -n 1)" '{"id":1}' 'a reader that leaves early'
is "$(vlm-filter </dev/null)" '' 'empty input'
is "$(printf '{"id":1\n{"id":2}\n' | vlm-filter 2>/dev/null | jq -c 'has("error")' | tr '\n' ' ')" 'true false ' \
    'a broken line leaves as an error record'
finish
