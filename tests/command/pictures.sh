# pictures.sh - small pictures for tests: picture NAME SEED writes a 24x20 PPM, different for each seed

picture() {
    awk -v seed="$2" 'BEGIN {
        print "P3 24 20 255"
        for (y = 0; y < 20; y++)
            for (x = 0; x < 24; x++)
                print (x * 9 + seed * 31) % 256, (y * 12 + seed * 57) % 256, (x * y + seed * 91) % 256
    }' >"$1"
}

# web N: N records with a picture and a text each; every 20th picture is broken
web() {
    i=1
    while [ "$i" -le "$1" ]; do
        if [ $((i % 20)) = 7 ]; then
            echo "no picture $i" >"broken$i.jpg"
            echo "{\"id\":$i,\"image\":\"broken$i.jpg\",\"text\":\"a red dog $i\"}"
        else
            n=$((i % 23))
            [ -e "p$n.ppm" ] || picture "p$n.ppm" $n
            echo "{\"id\":$i,\"image\":\"p$n.ppm\",\"text\":\"two cats $i\",\"big\":12345678901234567890}"
        fi
        i=$((i + 1))
    done
}
