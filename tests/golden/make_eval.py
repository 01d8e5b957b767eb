#!/usr/bin/env python3
"""Captions and what the COCO caption toolkit says of them -> eval/

    make_eval.py          needs pycocoevalcap, and Java for its tokenizer

captions.jsonl.gz   images with a caption and its references, from a small grammar
scores.json         "split": BLEU, ROUGE-L and CIDEr of the tokenizer's words; "given": of the texts
                    as they stand, their words separated by blanks
words.tsv           texts and the words that the toolkit's tokenizer leaves of them
"""
import gzip, io, json, os, random

from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.rouge.rouge import Rouge
from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "eval")
IMAGES = 600
WHO = ("a man,a woman,two dogs,a cat,the black-and-white cow,a man's dog,three people,an old man,"
       "a little girl's doll,someone,a group of skiers,Mr. Smith,a boy (left),the boys' team,"
       "a self-serve buffet,4 zebras,people,M&M's").split(",")
DOES = ("is standing,are sitting,isn't looking,can't be seen,rides a bike,holds up a sign,"
        "'s walking,is gonna jump,plays with a t-shirt,is eating pizza,are flying kites,don't move,"
        "reads \"The Times\",won't sleep,they're waiting,looks at 1,000 birds,pays $5.99").split(",")
WHERE = ("on the beach,in a kitchen,near Main St.,at 10:30 a.m.,in the U.S.,under an umbrella,"
         "next to a red-brick wall,on a couch/bed,behind no. 5,in front of a café,by the sea,"
         "on the street,at home,in the snow,over 50% of the field,beside another").split(",")
END = ["", ".", ".", " .", "!", "...", "!!", ";", "?"]
WORDS = """\
Two dogs' bowls can't be seen; I'll go "home" (now) -- or maybe...
gonna wanna gotta cannot 'tis 'twas lemme gimme
black-and-white cat and/or black/white dog
It costs $5.99, 50% off & more! #1 @ 10:30 a.m. 1,000 people
Mr. Smith on Main St. in the U.S. with a 1/2 cup
A T.V. and a tv. Dr. No vs. etc. at 5 p.m.
"quoted" \u2018curly\u2019 \u201cdouble\u201d it\u2019s \u2013 dash \u2014 em \u2026 end
[brackets] {braces} a*b c_d e=f x+y 3x4 2nd 1980's '80s
rock 'n' roll o'clock ma'am y'all o'brien  ol' kids' toys' are
A tennis player hitting a ball.A dog
what?! why!!! hmm... ok.. hi....
re-do self-serve t-shirt  x-ray -5 +5 5-10 12-inch #tag
\u00c9COLE caf\u00e9 na\u00efve Stra\u00dfe
a 6' tall man 5'10" tall 6"x4"
I'd he'd we've she's let's who'd've shouldn't've don't DON'T Dont
no. 5 is No. 1 in the co. inc. ltd. Jan. Inc. Co.
he said 'hello there' to them
~ ^ | \\ ` `` '' ' " -- --- ---- _ __ ***
x ' s dogs'. (a) a) b. c.) "a." 'b.'
pb&j r&b at&t M&M's B&B & co
\u00a35 \u20ac5 5\u00a2 100\u00b0 5\u00b0C \u00bd cup 2\u00bd m\u00b2 \u00a9
woman in a t.v show  u.s.a  U.K   i.e. e.g.
An apt. near a fire st. And a dr. with Gov.
w/ a man w/o a man/ woman / dog he/she 24/7 a/c
dog--cat dog- cat -dog dog -cat- ---dog
no. of dogs, and no. Not no. 7
'hello' 'a man' the '90s '70's 'em 'cause 'til dogs 's
don\u2019t you
M&M AT&T A&W PB&J r&B
haven't hasn't 'twere d'you c'mon o' man ma'am o'neil's
I've you'd've it'd it'll they'll
St. Patrick at St. Louis on Elm St. today. The end St.
ice-cream. ice-cream, on-\\ly hot-dog's "hot-dog"
t-shirt/jeans red/white/blue 1/2-inch 1 1/2 3/4 12/25/2010 1-2-3
\u65e5\u672c\u8a9e \u043a\u043e\u0442 \u041f\u0440\u0438\u0432\u0435\u0442 \u00c4rger \u0391\u0392\u0393
the man is 5 ft. tall at 3:45pm, or 3:45 pm
man (woman) [sic] {x} @user #hash $ $5 5$ 100% 5 %""".split("\n")


def sentence(r):
    text = " ".join((r.choice(WHO), r.choice(DOES), r.choice(WHERE)))
    if r.random() < 0.3:
        text += r.choice([" and ", ", ", " while "]) + r.choice(WHO) + " " + r.choice(DOES)
    if r.random() < 0.5:
        text = text[0].upper() + text[1:]
    return text + r.choice(END)


def near(r, text):
    """The text with some words exchanged, doubled or left out."""
    words = []
    for w in text.split(" "):
        x = r.random()
        words += [w] if x < 0.8 else [] if x < 0.9 else [w, w] if x < 0.92 else sentence(r).split()[:2]
    return " ".join(words) or "nothing"


def images():
    r = random.Random(11)
    for i in range(IMAGES):
        first = sentence(r)
        count = r.choice([1, 2, 3, 5, 5])
        yield {"id": i, "caption": near(r, first),
               "references": [first] + [near(r, first) for _ in range(count - 1)]}


def scores(captions, references):
    bleu = Bleu(4).compute_score(references, captions, verbose=0)[0]
    values = {"bleu_%d" % (k + 1): bleu[k] for k in range(4)}
    values["rouge_l"] = Rouge().compute_score(references, captions)[0]
    values["cider_d"] = Cider().compute_score(references, captions)[0]
    return {k: round(float(v), 9) for k, v in values.items()}


def main():
    os.makedirs(HERE, exist_ok=True)
    records = list(images())
    text = "".join(json.dumps(r, ensure_ascii=False) + "\n" for r in records)
    with open(os.path.join(HERE, "captions.jsonl.gz"), "wb") as f, \
            gzip.GzipFile("", "wb", 9, f, mtime=0) as z:
        z.write(text.encode())
    result = {"given": scores({r["id"]: [" ".join(r["caption"].split())] for r in records},
                              {r["id"]: [" ".join(t.split()) for t in r["references"]] for r in records})}
    split = PTBTokenizer().tokenize
    result["split"] = scores(split({r["id"]: [{"caption": r["caption"]}] for r in records}),
                             split({r["id"]: [{"caption": t} for t in r["references"]] for r in records}))
    with open(os.path.join(HERE, "scores.json"), "w") as f:
        f.write(json.dumps(result, indent=1) + "\n")
    words = split({i: [{"caption": t}] for i, t in enumerate(WORDS)})
    with open(os.path.join(HERE, "words.tsv"), "w", encoding="utf8") as f:
        for i, t in enumerate(WORDS):
            f.write(t + "\t" + " ".join(words[i][0].split()) + "\n")


main()
