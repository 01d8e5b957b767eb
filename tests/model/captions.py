# SPDX-License-Identifier: MIT
"""What a picture's name says, as a person would write it under the picture.

The sources give names ("flag: France", "person: bald", "A calculator.  6x7=42"); a captioner
should learn "the flag of France", "a bald person", "a calculator".
"""
import re
import unicodedata

PLURALS = {"men", "women", "people", "children", "mice", "geese", "feet", "teeth", "dice"}
SINGULARS = {"abacus", "bus", "trolleybus", "minibus", "cactus", "octopus", "lotus", "hibiscus",
             "christmas", "cross", "dress", "glass", "grass", "princess", "compass", "mattress",
             "walrus", "hippopotamus", "citrus", "crocus", "virus", "chess", "gas", "canvas",
             "fungus", "bass", "mistress", "waitress", "lens", "stegosaurus", "asparagus",
             "venus", "uranus", "this", "tennis", "lioness", "platypus", "fortress",
             "rhinoceros", "fleur-de-lis"}
# Nouns that take no article, by the last word of what is named.
MASS = {"bacon", "rice", "butter", "salt", "bread", "honey", "milk", "sake", "ice", "spaghetti",
        "sushi", "tofu", "fire", "thread", "yarn", "soap", "coral", "broccoli", "garlic", "dna",
        "lacrosse", "pong", "tennis", "bowling", "badminton", "hair", "confetti",
        "hockey", "polish", "corn", "cheese", "knitting", "candy", "money", "zzz", "yoga", "tv",
        "racing", "poop", "ginger", "popcorn", "chocolate", "fog", "rain", "snow", "hail",
        "lightning", "luggage", "food", "meat", "liquid", "celery", "spinach",
        "parsley", "lettuce", "mahjong", "wheat", "arts"}
# Names that say too little or are no noun: what to write instead.
SPECIAL = {
    "ZZZ": "the letters ZZZ", "multiply": "a multiplication sign", "plus": "a plus sign",
    "minus": "a minus sign", "divide": "a division sign", "infinity": "an infinity sign",
    "star-struck": "a star-struck face with stars for eyes", "exploding head": "an exploding head",
    "rolling on the floor laughing": "a face rolling on the floor laughing",
    "hundred points": "a red number 100, underlined", "breast-feeding": "a mother breast-feeding",
    "dashing away": "a puff of air from dashing away", "om": "an om symbol",
    "yin yang": "a yin yang symbol", "information": "an information sign",
    "radioactive": "a radioactive warning sign", "biohazard": "a biohazard warning sign",
    "prohibited": "a prohibited sign", "warning": "a warning sign", "customs": "a customs sign",
    "children crossing": "a children crossing sign", "potable water": "a potable water sign",
    "non-potable water": "a non-potable water sign", "passport control": "a passport control sign",
    "baggage claim": "a baggage claim sign", "left luggage": "a left luggage sign",
    "restroom": "a restroom sign", "water closet": "a water closet sign",
    "men’s room": "a men's room sign", "women’s room": "a women's room sign",
    "performing arts": "theatre masks for performing arts", "trade mark": "a trademark sign",
    "copyright": "a copyright sign", "registered": "a registered trademark sign",
    "cinema": "a cinema symbol", "antenna bars": "antenna bars of a mobile phone",
    "vibration mode": "a vibration mode sign", "mobile phone off": "a mobile phone off sign",
    "currency exchange": "a currency exchange symbol", "Japanese dolls": "Japanese dolls",
    "place of worship": "a place of worship symbol", "Santa Claus": "Santa Claus",
    "Mrs. Claus": "Mrs. Claus", "mx claus": "a person dressed as Santa Claus",
    "dizzy": "a dizzy star", "collision": "a collision, an explosion", "poker": "a game of poker",
    "pool 8 ball": "a black pool ball with the number 8", "no entry": "a no entry sign",
    "wheelchair symbol": "a wheelchair symbol", "snowman without snow": "a snowman without snow",
    "input latin uppercase": "a button to input uppercase letters",
    "input latin lowercase": "a button to input lowercase letters",
    "input numbers": "a button to input numbers", "input symbols": "a button to input symbols",
    "input latin letters": "a button to input latin letters",
    "american football": "an american football", "x-ray": "an x-ray picture",
    "face holding back tears": "a face holding back tears", "locked": "a locked padlock",
    "unlocked": "an unlocked padlock", "locked with pen": "a locked padlock with a pen",
    "locked with key": "a locked padlock with a key", "construction": "a construction barrier",
    "cooking": "an egg cooking in a pan", "camping": "a camping site", "foggy": "a foggy city",
    "high voltage": "a high voltage sign", "mate": "a mate drink", "tennis": "a tennis ball",
    "softball": "a softball", "person lifting weights": "a person lifting weights",
    "man lifting weights": "a man lifting weights",
    "woman lifting weights": "a woman lifting weights",
    "hourglass done": "an hourglass", "hourglass not done": "an hourglass with flowing sand",
    "1st place medal": "a first place medal",
    "2nd place medal": "a second place medal", "3rd place medal": "a third place medal",
    "couple with heart": "a couple with a heart", "kiss": "a couple kissing",
    "Statue of Liberty": "the Statue of Liberty", "mount fuji": "Mount Fuji",
    "Tokyo tower": "the Tokyo Tower", "map of Japan": "a map of Japan", "sun": "the sun",
    "milky way": "the milky way",
    "globe showing Europe-Africa": "a globe showing Europe and Africa",
    "globe showing Asia-Australia": "a globe showing Asia and Australia",
    "globe showing Americas": "a globe showing the Americas", "fish cake with swirl":
    "a fish cake with a swirl", "cloud with rain": "a cloud with rain", "eyes": "a pair of eyes",
    "glasses": "a pair of glasses", "sunglasses": "a pair of sunglasses", "scissors":
    "a pair of scissors", "jeans": "a pair of jeans", "no one under eighteen":
    "a no one under eighteen sign", "eight-spoked asterisk": "an eight-spoked asterisk",
}
ZODIAC = {"Aries", "Taurus", "Gemini", "Cancer", "Leo", "Virgo", "Libra", "Scorpio", "Sagittarius",
          "Capricorn", "Aquarius", "Pisces", "Ophiuchus"}
THE_LANDS = re.compile(r"^(United|Bahamas|Gambia|Maldives|Comoros|Netherlands|Philippines|Isle |"
                       r"European Union|Central African|Dominican|Vatican)|"
                       r"(Islands|Territories|Territory|Republic)( \(.*\))?$")
NUMBERS = {2: "two", 3: "three", 4: "four"}


# Short names leave articles out: "person getting haircut", "face with monocle".
WITHOUT = re.compile(
    r" (with|in|on|wearing|getting|feeding|rowing|bouncing|raising|tipping|taking) "
    r"((?:[\w-]+ )?(?:haircut|massage|boat|turban|skullcap|headscarf|tuxedo|veil|baby|hand|cane|"
    r"wheelchair|suit|room|ball|bath|position|monocle|mask|thermometer|head-bandage|smile|arrow|"
    r"ribbon|halo|eyebrow|umbrella|cork|straw|tear|crown|hole|slash|cover|curl|check|ballot|face|"
    r"bubble|spoon|pen|key|flag|meridians|hearing aid|heart|nose))\b(?!-| (?:up|in|and)\b)")
JOB = re.compile(r"^(man|woman) (?!\w+ing\b|in |with |and |wearing |mountain biking)([a-z ]+)$")


def complete(name):
    name = JOB.sub(lambda m: {"man": "male ", "woman": "female "}[m[1]] + m[2], name)
    return WITHOUT.sub(lambda m: f" {m[1]} {article(m[2])}", name)


def article(noun):
    """The noun with "a" or "an", or as it is where it takes none."""
    head = re.split(r" (?:with|of|in|on|from|for|at|without|over|under|pointing|showing|to|and|"
                    r"tilted|not|off|up|down)\b", noun)[0].split()
    last = head[-1].lower() if head else ""
    first = noun.split()[0]
    if last in MASS or last in PLURALS or (head and head[0] in PLURALS):
        return noun
    if (last.endswith("s") and not last.endswith(("ss", "us", "'s", "’s")) and
            last not in SINGULARS):
        return noun
    if first.isupper() and len(first) < 4 and first != "NEW":  # by letters: an SOS button
        vowel = first[0] in "AEFHILMNORSX"
    else:
        vowel = first[0] in "aeiouAEIOU8" and not re.match(r"(?i)(uni|use|one|eu|ew|u-|yu)", first)
    return ("an " if vowel else "a ") + noun


def join(parts):
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]


def members(names):
    """["man", "girl", "girl"]: "a man and two girls"."""
    many = {"man": "men", "woman": "women"}
    return join([article(n) if names.count(n) == 1 else
                 f"{NUMBERS[names.count(n)]} {many.get(n, n + 's')}"
                 for n in dict.fromkeys(names)])


def flag(land):
    land = land.replace(" & ", " and ").replace(" SAR China", "")
    land = re.sub(r"^Congo - (.*)", r"Congo (\1)", land)
    return "the flag of " + ("the " if THE_LANDS.search(land) else "") + land


def qualified(name, what):
    """ "person: bald", "kiss: woman, man" """
    if name == "flag":
        return flag(what)
    if name == "keycap":
        sign = {"#": "a number sign", "*": "an asterisk"}.get(what, f"the number {what}")
        return "a key with " + sign
    if name == "family":
        return "a family of " + members(what.split(", "))
    if name == "kiss":
        return "a kiss between " + members(what.split(", "))
    if name == "couple with heart":
        return members(what.split(", ")) + " with a heart"
    if what == "bald":
        return f"a bald {name}"
    if what == "beard":
        return f"a {name} with a beard"
    return f"a {name} with {what}"


def emoji(name):
    """From the short name of CLDR."""
    base, _, what = name.partition(": ")
    traits = [t for t in what.split(", ") if "skin tone" in t]
    rest = ", ".join(t for t in what.split(", ") if "skin tone" not in t)
    if traits:
        bare = emoji(f"{base}: {rest}" if rest else base)
        tone = traits[0].replace(" skin tone", "") + " skin"
        return bare + (" and " if " with " in bare else " with ") + tone
    if what:
        return qualified(base, what)
    name = name.replace("“", '"').replace("”", '"').replace("’", "'")
    if name.replace("'", "’") in SPECIAL or name in SPECIAL:
        return SPECIAL.get(name) or SPECIAL[name.replace("'", "’")]
    if name in ZODIAC:
        return f"the zodiac sign {name}"
    if name.endswith("o'clock") or re.match(r"\w+-thirty$", name):
        return f"a clock showing {name}"
    if name.startswith("no "):
        return f"a {name} sign"
    return article(complete(name))


# First lines of stamps that are no caption: what to write; None leaves the stamp out.
STAMPS = {
    "George the blue groper.": "a blue groper", "Edward Bear.": "a teddy bear",
    "Tux and spider - two friends.": "Tux the penguin with a spider",
    "Penguins are wining!": None, "Teddy bear.": "a teddy bear",
    "Tux—the Linux mascot!": "Tux the Linux penguin", "Eat your bread!": "bread",
    "Eat your broccoli!": "broccoli", "Say cheese!": "cheese",
    "Bread, sliced, and shared by everyone.": "a loaf of sliced bread",
    "Inkjet Printer.  Print this picture, please!": "an inkjet printer",
    "Laser Printer.  Zip, zap, wow!": "a laser printer", "Measuring tape.": "a measuring tape",
    "We remember those who have died.": None, "This shell is hundreds of years old!":
    "an old naval shell", "This gun last saw service during World War 2.": "an old gun",
    "Boom!!!": "an explosion", "Fire! Fire! Fire!": "fire",
    "Grandma’s old rag doll.": "an old rag doll", "Left eye.": "a left eye",
    "Right eye.": "a right eye", "Adenium (Desert Rose)": "an adenium flower",
    "Anthurium": "an anthurium flower", "Appooppan Thaadi (Indian Milkweed)": None,
    "Balsam.": "a balsam flower", "It's a cep, or they are two ceps?": "two mushrooms",
    "Hibiscus": "a hibiscus flower", "Red plastic flower.": "a red plastic flower",
    "Santa Claus.": "Santa Claus", "Another tombstone.": "a tombstone",
    "Hard candy—yum!": "hard candy", "Our moon.": "the moon",
    "Our moon as a crescent.": "a crescent moon", "The Sun.": "the sun",
    "– Because a brain is a terrible thing to waste…": "a football helmet",
    "Flat.": "a flat sign of music", "Sharp.": "a sharp sign of music", "Plus.": "a plus sign",
    "Minus.": "a minus sign", "Times.": "a multiplication sign", "Divided by.": "a division sign",
    "Equals.": "an equals sign", "Not equal to.": "a not equal sign",
    "Less than.": "a less than sign", "Greater than.": "a greater than sign",
    "Less than or equal to.": "a less than or equal sign",
    "Greater than or equal to.": "a greater than or equal sign", "Excited!": "an excited face",
    "Happy!": "a happy face", "Mad!": "a mad face", "Sad!": "a sad face",
    "Cathedral.": "a cathedral", "Circus tent.": "a circus tent",
    "Enter the cave.": "the entrance of a cave", "Dead end ahead!": "a dead end sign",
    "Down at the docks.": "the docks", "Magic stones.": "magic stones",
    "No entry!": "a no entry sign", "School ahead! Drive slowly!": "a school sign",
    "Roundabout ahead! Which way will you go?": "a roundabout sign",
    "Pedestrian Crossing (“PED XING”).": "a pedestrian crossing sign",
    "UB2006 “Penguin II” deep sea research vessel.": "a deep sea research vessel",
    "Eddie the Helicopter.": "a cartoon helicopter with a face", "Tux Airways.": "a plane",
    "Police car emblems to put on the sedan.": None, "Tankers carry bulk liquids.": "a tanker",
    "Tux the penguin in a farm tractor!": "a penguin in a farm tractor", "Wig.": "a wig",
}
# Sentences about the thing: the thing, by how they begin.
BEGINNINGS = [
    ("Remember to flush", "a toilet"), ("A stethoscope", "a stethoscope"),
    ("A tough APC", "a Bradley fighting vehicle"), ("With a fast APC", "an armored vehicle"),
    ("Holly leaves", "holly leaves"), ("A candy cane", "a candy cane"),
    ("A christmas pudding", "a Christmas pudding"), ("A mince pie", "a mince pie"),
    ("Roast turkey", "a roast turkey"), ("A four leaf clover", "a four leaf clover"),
    ("Gimel", "a dreidel with the letter gimel"), ("Hei stands", "a dreidel with the letter hei"),
    ("Nun stands", "a dreidel with the letter nun"), ("Shin stands",
                                                       "a dreidel with the letter shin"),
    ("An important part of Hanukkah", "a menorah"), ("The Earth", "the planet Earth"),
    ("This means something can be recycled", "a recycling sign"),
    ("“Give Way”", "a give way sign"), ("“Yield”", "a yield sign"),
    ("A “Stop” sign", "a stop sign"), ("The yellow light", "a traffic light showing yellow"),
    ("The green light", "a traffic light showing green"),
    ("The red light", "a traffic light showing red"), ("The tender carries", "a tender"),
    ("An inukshuk", "an inukshuk, a landmark made of stones"),
]
PLANETS = re.compile(r"^(Mercury|Venus|Mars|Jupiter|Saturn|Uranus|Neptune|Pluto)—")
CHESS = re.compile(r"([bw])_\d_(\w+)$")
DIGITS = "Zero One Two Three Four Five Six Seven Eight Nine".split()
BARE = re.compile(r"(?i)(an?|the|some|two|three|four|\d+|big|brown|silver|sweet) ")


def stamp(stem, line):
    """From the first line of a stamp's text; None if that tells nothing."""
    line = line.strip()
    chess = CHESS.search(stem)
    if chess:
        return f"a {'black' if chess[1] == 'b' else 'white'} chess {chess[2]}"
    if line in STAMPS:
        return STAMPS[line]
    for start, text in BEGINNINGS:
        if line.startswith(start):
            return text
    if PLANETS.match(line):
        return "the planet " + PLANETS.match(line)[1]
    if line.rstrip(".") in DIGITS:
        return "the number " + line.rstrip(".").lower()
    if re.match(r"^“[^”]*”\.?$", line):
        return article(line.strip("“”.").lower() + " sign")
    return plain(line)


def plain(line):
    """The first sentence without its end, what is in brackets, and its capital."""
    text = re.sub(r" ?\([^)]*\)", "", line.replace("’", "'"))
    text = re.sub(r"[“”]", '"', text)
    text = re.split(r"(?<=[a-z0-9\"])[.!?:](?:\s|$)|—| is (?:a|used) | resembles ", text)[0]
    text = text.strip(" .!?").replace('."', '"').replace("An hippo", "A hippo")
    if re.match(r"\d+ Japanese yen$", text):
        text = "a coin of " + text
    if not BARE.match(text):
        text = article(text[:1].lower() + text[1:])
    elif re.match(r"(An?|The|Some|Two|Three|Four|Big|Brown|Silver|Sweet) ", text):
        text = text[:1].lower() + text[1:]
    return text if len(text.split()) <= 14 else None


def words(text):
    """The words that tell one concept from another: no accents, articles or plurals."""
    text = unicodedata.normalize("NFKD", text.lower().replace("’", "'"))
    text = "".join(c for c in text if not unicodedata.combining(c)).replace("'s ", " ")
    found = re.findall(r"[a-z0-9]+|[#*]", text)
    while len(found) > 1 and found[0] in ("a", "an", "the"):
        found.pop(0)
    while len(found) > 1 and found[-1] in ("sign", "symbol"):
        found.pop()
    return [w[:-1] if w.endswith("s") and len(w) > 3 and not w.endswith(("ss", "us")) else w
            for w in found]


def concept(name):
    """One name for all genders and skins of a thing: "man running", "woman running": "running"."""
    name = re.sub(r"(?i)\b(?:medium-)?(?:light|dark|medium) skin( tone)?,? ?", "", name)
    base = name.split(":")[0]
    if base in ("family", "kiss", "couple with heart"):
        return base
    name = re.sub(r"^(?:wo)?m[ae]n(?:’s)? (?=\w)|^(?:person|people) (?=\w)", "", name.strip(" :"))
    return " ".join(words(name)) or name.lower()
