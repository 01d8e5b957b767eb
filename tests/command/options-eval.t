#!/bin/sh
# options-eval.t - every option of vlm-eval has an effect or is refused, in each of its tasks
. "$(dirname "$0")/tap.sh"
. "$top/tests/command/options.sh"
printf '%s\n' '{"id":1,"group":1,"image":"a.ppm","image_embedding":[1,0,0.2],"text_embedding":[0,1,0],"caption":"A red, dog!","other":"dog","references":["a red dog","dog"],"label":"dog","truth":"dog","itm":0.4}' \
    '{"id":2,"group":1,"image":"b.ppm","image_embedding":[0,1,0.1],"text_embedding":[1,0.1,0],"caption":"two cats","other":"cat","references":["two cats","cats"],"label":"cat","truth":"dog","itm":0.9}' \
    '{"id":3,"group":2,"image":"c.ppm","image_embedding":[0.5,1,0],"text_embedding":[0.4,1,0.3],"caption":"a tree","other":"cat","references":["the tree"],"label":"dog","truth":"cat","itm":0.05}' \
    '{"id":4,"error":{"stage":"read","code":"io","message":"m"},"image_embedding":[0.7,0,1],"text_embedding":[1,0,1],"caption":"a","label":"cat","truth":"cat","itm":0.6,"other":"cat","references":["a"]}' \
    'no record' >all
sed 's/"truth":"dog"/"truth":true/; s/"truth":"cat"/"truth":false/; s/"other":"dog"/"other":false/; s/"other":"cat"/"other":true/' all >judged
printf '%s\n' '{"query":"a red dog","matches":[{"id":1,"sim":0.9},{"id":2,"sim":0.8}],"truth":2,"other":1,"id":1,"group":2}' >ranked
printf '{"images":[{"id":11,"file_name":"a.ppm"},{"id":12,"file_name":"b.ppm"}],"annotations":[{"image_id":11,"id":1,"caption":"a red dog"},{"image_id":12,"id":2,"caption":"three cats"}]}' >coco.json
printf '{"images":[{"filename":"a.ppm","imgid":1,"cocoid":11,"split":"test","sentences":[{"raw":"a red, dog"}]},{"filename":"b.ppm","imgid":2,"cocoid":12,"split":"val","sentences":[{"raw":"three cats"}]}],"dataset":"x"}' >karpathy.json
printf '[{"image_id":11,"caption":"a dog."},{"image_id":12,"caption":"Cats, two"}]' >results.json
records=all
mode vlm-eval --task retrieval
mode vlm-eval --task classify
mode vlm-eval --task caption
mode vlm-eval --task caption --references coco.json
mode vlm-eval --task caption --references karpathy.json --split test
mode vlm-eval --task caption --references coco.json --results results.json
records=judged
mode vlm-eval --task itm
finish
