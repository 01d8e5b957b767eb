#!/bin/sh
# model.t - how a model is named: paths, bare names, the default; what is said when there is none
. "$(dirname "$0")/tap.sh"
. "$top/tests/command/pictures.sh"
picture a.ppm 1
models=$top/tests/golden/clip
unset XDG_DATA_HOME
HOME=$work/home
export HOME

vlm-embed -m "$models/hf-vit" a.ppm >wanted
mkdir alone
cp "$build/vlm-embed" alone
status 3 'no model is named, and none is installed' alone/vlm-embed a.ppm
grep -q -- '-m or in $VLM_MODEL' .err
report $? 'says what to do'
status 3 'a name that nothing has' vlm-embed -m nothing a.ppm
grep -q "$work/home/.local/share/vlm/models" .err
report $? 'says where it was looked for'
grep -q 'vlm-models(7)' .err
report $? '... and where to get one'
status 3 'a path that is not there' vlm-embed -m ./nothing a.ppm
status 3 'a name of the hub that is not in its cache' vlm-embed -m some/thing a.ppm
grep -q 'no such model in .*huggingface/hub; vlm-models(7)' .err
report $? '... is looked for there'

VLM_MODELS=/nowhere:$models vlm-embed -m hf-vit a.ppm >out
same out wanted 'a bare name in $VLM_MODELS'
VLM_MODEL=$models/hf-vit vlm-embed a.ppm >out
same out wanted '$VLM_MODEL'
mkdir -p home/.local/share/vlm/models data/vlm/models
ln -s "$models/hf-vit" home/.local/share/vlm/models/mine
vlm-embed -m mine a.ppm >out
same out wanted 'a bare name in ~/.local/share'
ln -s "$models/hf-vit" data/vlm/models/other
XDG_DATA_HOME=$work/data vlm-embed -m other a.ppm >out
same out wanted 'a bare name in $XDG_DATA_HOME'

mkdir -p moved/bin moved/share/vlm/models
cp "$build/vlm-embed" moved/bin
ln -s "$models/hf-vit" moved/share/vlm/models/default
moved/bin/vlm-embed a.ppm >out
same out wanted 'the default of an installation that was moved'

status 0 'the built-in model' vlm-embed a.ppm
(cd "$top" && make -s install BUILD="${BUILD:-build}" DESTDIR="$work/root" PREFIX=/usr) >/dev/null 2>.err
mv root/usr elsewhere
vlm-embed a.ppm >wanted
elsewhere/bin/vlm-embed a.ppm >out
same out wanted 'it is installed, and found when that was moved'
(cd "$top" && make -s uninstall DESTDIR="$work" PREFIX=/elsewhere) >/dev/null 2>.err
is "$(find elsewhere -type f)" '' 'and is gone when it is uninstalled'

cp -r "$models/open_clip-gelu" plain
ok 'without a tokenizer images are embedded' vlm-embed -m ./plain a.ppm
echo '{"text":"a"}' | vlm-embed -m ./plain >out 2>err
ok 'and a text is told which files are missing' grep -q 'bpe_simple_vocab_16e6.txt.gz' err
status 3 'or at once, if texts were asked for' vlm-embed --text -m ./plain a.ppm
finish
