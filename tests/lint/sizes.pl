# sizes.pl - what sizes.t counts of C files: lengths, fields, parameters, comments
#
#     perl tests/lint/sizes.pl FILE...
#
# prints a line each:  file PATH LINES | struct PATH NAME FIELDS | function PATH NAME PARAMETERS LINES
# and last:            comments PERCENT | median LINES | ninetieth LINES
# A line that has part of a comment counts as one; blank lines count as lines.
use strict;
use warnings;

my (@lengths, $lines, $commented);

# pieces TEXT: how many pieces commas cut it into, those inside brackets apart
sub pieces {
    my ($text) = @_;
    1 while $text =~ s/[(\[{][^()\[\]{}]*[)\]}]//g;
    return 1 + ($text =~ tr/,//);
}

# fields BODY: declared names in the body of a struct; a struct inside it is one
sub fields {
    my ($body) = @_;
    1 while $body =~ s/\{[^{}]*\}//g;
    my $count = 0;
    for my $declaration (split /;/, $body) {
        $count += pieces($declaration) if $declaration =~ /\w/;
    }
    return $count;
}

# closing TEXT AT: the place of the brace that closes the one at AT
sub closing {
    my ($text, $at) = @_;
    my $depth = 0;
    pos($$text) = $at;
    while ($$text =~ /([{}])/g) {
        $depth += $1 eq '{' ? 1 : -1;
        return pos($$text) - 1 if !$depth;
    }
    return length $$text;
}

for my $path (@ARGV) {
    open my $in, '<', $path or die "$path: $!\n";
    my $text = do { local $/; <$in> };
    my $count = () = $text =~ /\n/g;
    my $comments = 0;
    print "file $path $count\n";
    # comments, strings and directives leave; lines stay
    $text =~ s{(/\*.*?\*/|//[^\n]*)|("(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')}{
        if (defined $1) {
            my $n = () = $1 =~ /\n/g;
            $comments += $n + 1;
            "\n" x $n . ' ';
        } else { '""' }
    }gse;
    $text =~ s/^[ \t]*#(?:[^\n\\]|\\\n|\\.)*/my $n = () = $& =~ m{\n}g; "\n" x $n/gme;
    $lines += $count;
    $commented += $comments;
    my $copy = $text;
    while ($copy =~ /\b(?:struct|union)\s*(\w*)\s*\{/g) {
        my ($name, $at) = ($1, pos($copy) - 1);
        my $end = closing(\$text, $at);
        print "struct $path ", $name || '-', ' ', fields(substr($text, $at + 1, $end - $at - 1)), "\n";
    }
    # at the outermost level: NAME(PARAMETERS) { or ;
    my $at = 0;
    while (substr($text, $at) =~ /(\w+)\s*(\((?:[^(){};]|\((?:[^(){};]|\([^(){};]*\))*\))*\))\s*((?:[A-Z_]+\([^)]*\)\s*)?)([{;])|[{]/) {
        my ($start, $end) = ($at + $-[0], $at + $+[0]);
        my ($name, $list, $last) = ($1, $2, $4);
        if (defined $name) {
            my $inside = substr($list, 1, -1);
            my $parameters = $inside =~ /^\s*(void)?\s*$/ ? 0 : pieces($inside);
            my $length = 0;
            if ($last eq '{') {
                my $close = closing(\$text, $end - 1);
                $length = () = substr($text, $start, $close - $start) =~ /\n/g;
                $length += 1;
                push @lengths, $length;
                $at = $close + 1;
            } else {
                $at = $end;
            }
            print "function $path $name $parameters $length\n";
        } else {
            $at = closing(\$text, $end - 1) + 1;
        }
    }
}
@lengths = sort { $a <=> $b } @lengths;
printf "comments %.1f\nmedian %d\nninetieth %d\n", 100 * $commented / $lines,
    $lengths[@lengths / 2], $lengths[@lengths * .9];
