#!/bin/sh
# errors.t - bad input is data: error records, exit statuses, --on-error, --max-errors
. "$(dirname "$0")/tap.sh"
v='"image_embedding":[1,0],"text_embedding":[0.6,0.8]'
good="{\"id\":1,$v}"
bad='{"id":2,"image_embedding":[1,0],"text_embedding":[1]}'

printf '%s\n' "$good" "$bad" 'no json' '{"id":3,"error":{"stage":"decode"}}' "{\"id\":4,$v}" >in
status 0 'bad records do not stop the stream' vlm-sim in
cp .out all
is "$(wc -l <all | tr -d ' ')" 5 'every record leaves'
is "$(sed -n 1p all)" "{\"id\":1,$v,\"sim\":0.6}" 'the good one before'
like "$(sed -n 2p all)" '^\{"id":2,.*,"error":\{"stage":"read","code":"mismatch","message":"' \
    'a record that failed has its error'
like "$(sed -n 3p all)" '^\{"error":\{"stage":"read","code":"[a-z_]+","message":".*","line":3\},"raw":"no json"\}$' \
    'a line that is no record'
is "$(sed -n 4p all)" '{"id":3,"error":{"stage":"decode"}}' 'one that came with an error is left alone'
is "$(sed -n 5p all)" "{\"id\":4,$v,\"sim\":0.6}" 'the good one behind'
is "$(grep -c '^vlm-sim: in:[23]: ' .err)" 2 'a line on stderr for each that failed here'
is "$(tail -n 1 .err)" 'vlm-sim: 2 of 5 records failed' 'and how many'
status 0 'quiet' vlm-sim -q in
is "$(cat .err)" '' 'says nothing'
same .out all 'and writes the same'

status 0 'skip' vlm-sim -q --on-error=skip in
is "$(jq -r .id .out | tr '\n' ' ')" '1 4 ' 'drops what failed here or before'
status 1 'fail' vlm-sim --on-error=fail in
is "$(cat .out)" "$(head -n 1 all)" 'what came before has left'
is "$(wc -l <.err | tr -d ' ')" 2 'one reason and one count'

status 0 'as many errors as allowed' vlm-sim -q --max-errors=2 in
same .out all 'change nothing'
status 1 'one more than allowed' vlm-sim -q --max-errors=1 in
is "$(cat .out)" "$(head -n 3 all)" 'ends the run with the record that was too many'
status 0 'a share of errors: allowed' vlm-sim -q --max-errors=40% in
status 1 'a share of errors: too many' vlm-sim -q --max-errors=39.9% in
same .out all 'is judged at the end'
status 1 'too many leave no output file' vlm-sim -q --max-errors=1 -o out.jsonl in
is "$(ls | grep -c '^out')" 0 'nor a temporary one'

printf '%s\n' "{\"id\":5,$v,\"error\":{\"stage\":\"old\"}}" '{"raw":"x","error":{"line":1}}' >failed
status 0 'again' vlm-sim -q --retry-errors failed
is "$(cat .out)" "{\"id\":5,$v,\"sim\":0.6}
$(sed -n 2p failed)" '--retry-errors takes the error away, but not from a line that was none'
is "$(vlm-sim -q in | vlm-sim -q | cmp - all && echo same)" same 'a pipeline of two reports each error once'

status 0 'empty input' vlm-sim /dev/null
is "$(cat .out .err)" '' 'gives nothing'
status 4 'no known format' sh -c 'printf "\001\002\003" | vlm-sim'
like "$(cat .err)" '^vlm-sim: stdin: ' 'names the source'
status 0 'an operand that is not there' vlm-sim -q no-such-file
like "$(cat .out)" '"code":"not_found"' 'is a record with an error'
status 0 'nothing to compare' sh -c 'echo "{}" | vlm-sim -q'
like "$(cat .out)" '"code":"nothing_to_compare"' 'is an error'
printf '{"id":"a\\nb","image":"x\\ny.jpg","text":"t","text_embedding":[1]}\n' | vlm-sim --threads=1 >/dev/null 2>err
is "$(wc -l <err | tr -d ' ')" 1 'a newline in a name does not break the report'
printf '{"image":"\302\2332J\342\200\256\342\201\251"}\n' >names
vlm-embed --image names 2>err >/dev/null
is "$(head -n 1 err)" 'vlm-embed: names:1: ?2J??: No such file or directory' 'nothing of a name acts on a terminal'
if [ -e /proc/self/mem ]; then
    is "$(echo '{"image":"/proc/self/mem"}' | vlm-embed -q --image | jq -r .error.code)" io \
        'a file that cannot be read has a code'
    awk 'BEGIN { printf "{\"image\":\""; for (i = 0; i < 2000; i++) printf "/."; print "/proc/self/mem\"}" }' >names
    is "$(vlm-embed -q --image names | jq -r '.error | .code, (.message | length > 4000)' | tr '\n' ' ')" 'io true ' \
        '... also one of a long name'
fi
mkdir below
printf 'P1 1 1 1\n' | tee below/in.pbm >out.pbm
ln -s ../out.pbm below/link.pbm
printf '{"image":"%s"}\n' in.pbm ../out.pbm link.pbm "$PWD/out.pbm" >names
is "$(vlm-embed -q --image --root below names | jq -r '.error.code // "good"' | tr '\n' ' ')" 'good good good good ' \
    '--root alone lets paths lead out'
is "$(vlm-embed -q --image --root below --confine names | jq -r '.error.code // "good"' | tr '\n' ' ')" \
    'good outside outside outside ' '--confine does not'
echo '{"image":"out.pbm"}' >0.json
tar cf one.tar 0.json
is "$(vlm-embed -q --image one.tar | jq -r .error.code)" outside 'a record of a tar names no file'
is "$(vlm-embed -q --image --root . one.tar | jq -r '.error.code // "good"')" good '... but with --root'
mkfifo waits
is "$(echo '{"image":"waits"}' | timeout 120 vlm-embed -q --image | jq -r .error.code)" unsupported \
    'a pipe is not waited for'
finish
