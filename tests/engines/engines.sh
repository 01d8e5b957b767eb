# engines.sh - what the tests of recipes and engines share; such a test begins with
#
#     . "$(dirname "$0")/engines.sh"
. "$(dirname "$0")/../command/tap.sh"
. "$top/tests/command/pictures.sh"
export VLM_MODEL="$top/tests/golden/blip/pretrain.pth"

# recipe NAME: its lines, as they stand in vlm-recipes(7)
recipe() {
    awk -v name="$1" '
        $1 == ".\\\"" && $2 == "recipe" && $3 == name { wanted = 1 }
        /^\.Bd -literal/ && wanted { inside = 1; next }
        /^\.Ed/ { inside = wanted = 0 }
        inside { gsub(/\\&/, ""); gsub(/\\e/, "\\"); print }
    ' "$top/man/vlm-recipes.7"
}

skip() { # REASON
    echo "1..0 # SKIP $1"
    exit 0
}

# records: web.jsonl, 4,000 records of 40 pictures, and sorted.wanted, what one process makes of them
records() {
    for i in 0 1 2 3 4 5 6 7 8 9; do
        for k in 0 1 2 3; do picture p$i$k.ppm $i$k; done
    done
    awk 'BEGIN { for (i = 0; i < 4000; i++)
        printf "{\"id\":%d,\"image\":\"p%02d.ppm\",\"text\":\"a red dog %d\"}\n", i, (i % 10) * 10 + i % 4, i }' |
        sed 's/p\(.\)\(.\)\.ppm/p\1\2.ppm/' >web.jsonl
    vlm-itm web.jsonl >wanted
    LC_ALL=C sort wanted >sorted.wanted
}

# once: a folder for PATH whose vlm-itm is killed by SIGKILL in the middle, the first time: when it has
# answered 300 records, or when 100 stand in the OUT of --resume.  Later ones are left alone.
once() {
    mkdir -p once
    cat >once/vlm-itm <<R
#!/bin/bash
mkdir "$work/killed" 2>/dev/null || exec "$build/vlm-itm" "\$@"
for out; do [ "\$last" = --resume ] && break; last=\$out; done
mkfifo "$work/answers"
"$build/vlm-itm" "\$@" <&0 >"$work/answers" &
child=\$!
if [ "\$last" = --resume ]; then
    exec 8<"$work/answers"
    until [ "\$(cat "\$out" 2>/dev/null | wc -l)" -ge 100 ]; do :; done
else
    head -n 300 <"$work/answers"
fi
kill -9 \$child
wait \$child
status=\$?
rm "$work/answers"
exit \$status
R
    chmod +x once/vlm-itm
}

# python PACKAGE...: sets \$python to one that has them: VLM_PYTHON, or one that is made for this test
python() {
    python=${VLM_PYTHON:-python3}
    "$python" -c "import $(echo "$@" | tr ' ' ',')" 2>/dev/null && return
    python3 -m venv venv >/dev/null 2>&1 || skip 'python3 has no venv'
    python=$work/venv/bin/python
    "$python" -m pip install -q "$@" >pip.log 2>&1 || skip "$* cannot be installed: $(tail -n 1 pip.log)"
}
