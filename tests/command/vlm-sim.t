#!/bin/sh
# vlm-sim.t - pairs, queries, labels, near duplicates
. "$(dirname "$0")/tap.sh"
. "$top/tests/command/pictures.sh"

sim() { jq -c .sim; }
is "$(echo '{"image_embedding":[3,4],"text_embedding":[1,0]}' | vlm-sim | sim)" 0.6 'a pair'
is "$(echo '{"image_embedding":[3,4],"text_embedding":[[1,0],[0,2],[-3,-4]]}' | vlm-sim | sim)" '[0.6,0.8,-1]' \
    'a list of texts'
is "$(echo '{"image_embedding":[[0,1],[3,4],[-1,0]],"text_embedding":[[1,0],[0,1]]}' | vlm-sim | sim)" '[0.6,1]' \
    'an image of several vectors: the closest'
is "$(printf '%s\n' '{"id":1,"image_embedding":[[1,0],[0,1]]}' '{"id":2,"image_embedding":[[0,1],[1,0]]}' \
    '{"id":3,"image_embedding":[[1,0],[3,4]]}' '{"id":4,"image_embedding":[1,0]}' |
    vlm-sim -q --near-duplicates 0.9 | jq -c '[.duplicate_of,.error.code]' | tr '\n' ' ')" \
    '[null,null] [null,null] [1,null] [null,"mismatch"] ' '... near duplicates: the mean of what the same queries gave'
is "$(echo '{"image_embedding":[1e-20,0],"text_embedding":[1e20,0]}' | vlm-sim | sim)" 1 'very short and very long'
printf '%s\n' '{"image_embedding":[0,0],"text_embedding":[1,0]}' '{"image_embedding":[1],"text_embedding":[1,0]}' \
    '{"image_embedding":"a","text_embedding":[1,0]}' '{"image_embedding":[[1,0],[]],"text_embedding":[1,0]}' \
    '{"image_embedding":[1,0],"text_embedding":[[1,0],[1]]}' '{"image_embedding":[],"text_embedding":[1]}' \
    '{"text_embedding":[1]}' '{"image_embedding":[1]}' |
    vlm-sim -q >out
is "$(jq -r .error.code out | tr '\n' ' ')" \
    'invalid mismatch invalid invalid invalid invalid nothing_to_compare nothing_to_compare ' 'what cannot be compared'
# three CBOR records each: an image of 0 vectors of 5 numbers, and of 5 vectors without numbers
for shape in '\000\005' '\005\000'; do
    for i in 1 2 3; do
        printf '\243\144json\142{}\157image_embedding\330\050\202\202'"$shape"'\330\125\100'
        printf '\156text_embedding\330\125\124%s' 'aaa?aaa?aaa?aaa?aaa?'
    done >empty.cbor
    is "$(vlm-sim -q empty.cbor | jq -r '.error.code' | tr '\n' ' ')" 'not_a_record not_a_record not_a_record ' \
        "a matrix with a dimension of 0: $shape"
    is "$(vlm-eval -q -t retrieval empty.cbor | jq -c '[.records, .failed]')" '[0,3]' '... and in vlm-eval'
done
# a vector of NaN, as a binary record and as JSON
printf '\242\144json\170\034{"text_embedding":[0.6,0.8]}\157image_embedding\330\125\110\000\000\300\177\000\000\200\077' >nan.cbor
is "$(vlm-sim -q nan.cbor | jq -r .error.code)" invalid 'NaN in a vector'
is "$(echo '{"image_embedding":[1e99,0],"text_embedding":[1,0]}' | vlm-sim -q | jq -r '.error.message')" \
    'field image_embedding holds NaN or an infinite number' 'an infinite number in a vector'
is "$(printf '{"image":"data:image/png;base64,%05000d","image_embedding":[1,2]}\n' 0 0 | vlm-sim -q --near-duplicates 0.9 |
    jq -r '.duplicate_of // empty')" 1 'a duplicate is not named by a data: URI'
mkdir alone
cp "$build/vlm-sim" alone
is "$(echo '{"image_embedding":[1,0],"text":"x"}' | env -u HOME alone/vlm-sim -q | jq -r .error.code)" no_model \
    'no model to be found, and a record that needs one'

export VLM_MODEL="$top/tests/golden/clip/hf-vit"
for i in 1 2 3 4 5 6 7 8; do picture p$i.ppm $i; done
for i in 1 2 3 4 5 6 7 8; do echo "{\"id\":$i,\"image\":\"p$i.ppm\",\"text\":\"a dog $i\"}"; done >in
vlm-sim in >out
vlm-embed in | vlm-sim | jq -c '{id,image,text,sim}' >again
jq -c . out >plain
same again plain 'through the model, or from vectors: the same'
vlm-embed -b in | vlm-sim | jq -c '{id,image,text,sim}' >again
same again plain 'also from the binary form'
is "$(echo '{"image":"p1.ppm","text_embedding":[1,0]}' | vlm-sim -q | jq -r .error.code)" mismatch \
    'a vector of another length than the model'"'s"

vlm-embed in >vectors
jq -c '{id, image_embedding}' vectors >images
vlm-sim --query 'a cat' --top 3 in >best
is "$(wc -l <best | tr -d ' ')" 3 'the best three'
jq -r '[.sim, .id] | @tsv' best >scores
sort -k1,1gr scores >sorted
same scores sorted 'best first'
vlm-sim --query 'a cat' --top 100 in >all
is "$(wc -l <all | tr -d ' ')" 8 'no more than there are'
is "$(head -n 3 all)" "$(cat best)" 'the best of all are the best'
vlm-sim --query 'a cat' --top 3 images >out
is "$(jq -c '[.id, .sim]' out)" "$(jq -c '[.id, .sim]' best)" 'from vectors'
is "$(vlm-sim --query 'a cat' --top 3 -b vectors | vlm-embed -q --text | jq -c '[.id, .sim]')" \
    "$(jq -c '[.id, .sim]' best)" 'in the binary form'
vlm-sim --query 'a cat' --query 'a dog' --top 2 in >out
is "$(jq -r .query out | tr '\n' ',')" 'a cat,a cat,a dog,a dog,' 'several queries, in their order'
is "$(jq -c 'select(.query == "a cat") | [.id, .sim]' out)" "$(jq -c '[.id, .sim]' best | head -n 2)" 'each with its best'
printf 'a cat\n\na dog\n' >queries
is "$(vlm-sim --queries queries --top 2 in | cmp - out && echo same)" same 'queries from a file'
vlm-sim --query 'a cat' --by text --top 1 in >out
is "$(jq -r '.text | startswith("a dog")' out)" true '--by text'
cat in in | vlm-sim --query 'a cat' --top 4 | jq -r .id | uniq -c | awk '{ print $1 }' >out
is "$(cat out | tr '\n' ' ')" '2 2 ' 'equals stand together'
{ cat in; echo '{"id":9,"image":"none.ppm"}'; echo '{"id":10,"error":{}}'; } |
    vlm-sim --query 'a cat' --top 100 >out 2>err
is "$(wc -l <out | tr -d ' ')" 8 'what failed is not among the best'
is "$(grep -c none.ppm err)" 1 'but reported'
for batch in 1 3; do
    vlm-sim --query 'a cat' --top 100 --batch $batch --threads $batch in >out
    same out all "--batch $batch"
done

printf 'dog\ncat\nbicycle\n' >labels
vlm-sim --labels labels in >out
is "$(jq -r 'select(.label | IN("dog", "cat", "bicycle")) | .id' out | wc -l | tr -d ' ')" 8 'labels'
{ printf '\357\273\277'; cat labels; } >marked
vlm-sim --labels marked in >again
same again out 'labels behind a byte order mark'
# refused BYTES WORDS: a file of labels that are no texts, and where
refused() {
    printf "$1" >marked
    status 1 "labels: $2" vlm-sim --labels marked in
    like "$(cat .err)" "marked:$3" '... is told, with its line'
}
refused '\377\376d\000o\000g\000\n\000' 'UTF-16' '1: UTF-16; iconv'
refused 'dog\nc\000t\n' 'a NUL' '2: a NUL'
refused 'dog\rcat\r' 'carriage returns' '1: carriage returns'
refused 'dog\ncat\nl\351gume\n' 'Latin 1' '3: not UTF-8'
status 2 'a query that is not UTF-8' vlm-sim --query "$(printf 'l\351gume')" in
like "$(cat .err)" 'query: its text is not UTF-8' '... says so'
vlm-sim --labels labels --top 3 in >top
is "$(jq -c '[.label, .prob]' top)" "$(jq -c '[.label, .prob]' out)" 'the likeliest'
is "$(jq -s 'all((.probs | add - 1 | fabs) < 1e-6 and .probs[0] == .prob and .labels[0] == .label)' top)" true \
    'probabilities add up to 1'
vlm-sim --labels labels --top 3 --scale 0 in >/dev/null
vlm-sim --labels labels --template 'a photo of a {}' in >one
vlm-sim --labels labels --template 'a photo of a {}' --template 'a photo of a {}' in >twice
is "$(jq -c .label twice)" "$(jq -c .label one)" 'templates: the mean of equals'
printf 'a photo of a dog\na photo of a cat\na photo of a bicycle\n' >written
is "$(vlm-sim --labels written in | jq -c .prob)" "$(jq -c .prob one)" 'templates: as if written out'
# softmax(scale x cosine), from the vectors themselves
jq -n -c --slurpfile l /dev/null '"dog","cat","bicycle"|{text:.}' | vlm-embed | jq -c .text_embedding >rows
jq -c --slurpfile l rows '.image_embedding as $v | [$l[] | [., $v] | transpose | map(.[0] * .[1]) | add * 5 | exp] |
    max / add' vectors >wanted
vlm-sim --labels labels --scale 5 vectors | jq -c .prob >out
is "$(paste out wanted | awk '($1 - $2) ^ 2 > 1e-10')" '' '--scale: the softmax'

printf '%s\n' '{"id":"a","image_embedding":[1,0]}' '{"id":"b","image_embedding":[0,1]}' \
    '{"id":"c","image_embedding":[10,1]}' '{"id":"d","image_embedding":[1,1]}' '{"image_embedding":[0,5]}' \
    '{"image":"x.jpg","image_embedding":[-1,0]}' '{"image_embedding":[-2,0]}' '{"image_embedding":[-1,-1]}' \
    '{"image_embedding":[-9,-8]}' '{"image_embedding":[1,0,0]}' >in
vlm-sim -q --near-duplicates 0.99 in >out
is "$(jq -c '.duplicate_of' out | tr '\n' ' ')" 'null null "a" null "b" null "x.jpg" null 8 null ' 'near duplicates'
is "$(jq -r '.error.code // empty' out)" mismatch 'a vector of another length'
is "$(jq -c '.duplicate_sim' out | tr '\n' ' ')" 'null null 0.9950372 null 1 null 1 null 0.9982744 null ' '... and how near'
is "$(tail -n 2 in | head -n 1 | jq -c '{image_embedding, text_embedding: [-1, -1]}' | vlm-sim | jq -c .sim)" 0.9982744 \
    'the same number as for a pair'
uri=data:image/png,$(seq 9 | tr -d '\n')
for named in "\"image\":\"$uri\"" "\"id\":\"$uri\"" "\"id\":\"\\u0064ata:,\",\"image\":\"$uri\""; do
    printf '{%s,"image_embedding":[0,1]}\n' "$named" "$named" | vlm-sim -q --near-duplicates 0.9 |
        jq -c '[.duplicate_of, .duplicate_sim]' | tr '\n' ' '
done >names
is "$(cat names)" '[null,null] [1,1] [null,null] [1,1] [null,null] [1,1] ' 'a data: URI is no name: the number is'
awk 'BEGIN { srand(7); for (i = 0; i < 6000; i++) printf "{\"id\":%d,\"image_embedding\":[%f,%f]}\n", i, rand() - .5, rand() - .5 }' >many
vlm-sim --near-duplicates 0.99999 many >out
is "$(jq -n '[inputs] | [.[] | select(.duplicate_of == null)] | length < 2000' out)" true 'many of many'
vlm-sim --near-duplicates 0.99999 --threads 3 --batch 1000 many >again
same again out 'across blocks, batches and threads'

# what is equal has a cosine of 1 but for rounding, in any width
awk 'BEGIN { srand(5); for (w = 3; w < 1100; w *= 3) for (k = 0; k < 4; k++) { v = ""
    for (i = 0; i < w; i++) v = v (i ? "," : "") (rand() - (k > 1)) * 3
    for (i = 0; i < 2; i++) print "{\"image_embedding\":[" v "]}" > ("wide." w) } }'
for w in 3 9 27 81 243 729; do
    is "$(vlm-sim --near-duplicates 1 --batch 1 wide.$w | jq -c .duplicate_of | tr '\n' ' ')" \
        'null 1 null 3 null 5 null 7 ' "equal vectors of $w numbers"
done
printf '{"image_embedding":[1,%s]}\n' 0 0.01 >apart
is "$(vlm-sim --near-duplicates 1 apart | grep -c duplicate)" 0 'what is only near is not equal'

for o in '--query a --labels labels' '--query a --near-duplicates 1' '--top 3' '--by text' '--template {}' \
    '--labels labels --template none' '--labels labels --scale -1' '--near-duplicates 2'; do
    status 2 "a mistake: $o" vlm-sim $o in
done
status 1 'labels that are not there' vlm-sim --labels no-such-file in
status 1 'a full disk' sh -c 'vlm-sim --query a p1.ppm >/dev/full'
status 0 'no input' vlm-sim --query a /dev/null
finish
