#!/bin/sh
# passthrough.t - what a filter does not know leaves as it came, byte for byte
. "$(dirname "$0")/tap.sh"
v='"image_embedding":[1,0],"text_embedding":[0.6,0.8]'

cat >in <<END
{"id":12345678901234567890,"price":1.10,"big":1e400,$v}
{ "a" : "\u00e9\/é" , "a":2, $v , "nested":{"sim":[1,{"sim":2}]} }
{"sim":"old",$v,"z":[ 1,2 ,3]}
{"text":"\ud83d\ude00","empty":"",$v}	
{$v,"error":null}
END
sed -e '1s/}$/,"sim":0.6}/' -e '2s/ }$/ ,"sim":0.6}/' -e '3s/"old"/0.6/' \
    -e '4s/}[[:space:]]*$/,"sim":0.6}/' -e '5s/}$/,"sim":0.6}/' in >wanted
vlm-sim <in >out 2>err
is "$(sed 's/[[:space:]]*,"sim":0.6}[[:space:]]*$/,"sim":0.6}/' out)" \
    "$(sed 's/[[:space:]]*,"sim":0.6}[[:space:]]*$/,"sim":0.6}/' wanted)" \
    'numbers, escapes, blanks, order and duplicate keys are kept'
is "$(vlm-sim <in | vlm-sim | cmp - out && echo same)" same 'doing it again changes nothing'
is "$(sed 's/$/\r/' in | vlm-sim | tr -d '\t' | cmp - out.t 2>/dev/null; vlm-sim <in | wc -l | tr -d ' ')" 5 \
    'one record out for each record in'
printf '{%s}\r\n\n{%s}' "$v" "$v" >crlf
is "$(vlm-sim <crlf)" "{$v,\"sim\":0.6}
{$v,\"sim\":0.6}" 'CR LF, blank lines, a last line without its end'

vlm-sim -b <in >out.cbor
is "$(vlm-sim <out.cbor | cmp - out && echo same)" same 'through the binary form and back'
is "$(cat out.cbor out.cbor | vlm-sim -b | vlm-sim | wc -l | tr -d ' ')" 10 \
    'two streams joined are a stream'
finish
