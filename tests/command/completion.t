#!/bin/sh
# completion.t - zsh and fish complete options, choices and files (bash: tests/lint/manual.t)
. "$(dirname "$0")/tap.sh"
touch picture.jpg

# zsh completes on a terminal only: zpty gives it one
cat >complete.zsh <<'END'
zmodload zsh/zpty
zpty z zsh -f -i
zpty -w z "PS1= PS2=; stty rows 200 cols 120; fpath=($1 \$fpath); path=($2 \$path)
autoload -Uz compinit; compinit -u -D; LISTMAX=9999; cd $3; print REA''DY"
while zpty -r z line; do [[ $line == *READY* ]] && break; done
zpty -w -n z "$4"$'\t\t\t'
for i in {1..1200}; do
    sleep 0.1
    zpty -r -t z line && all+=$line
    [[ $all == *$~5* ]] && break
done
print -r -- "$all" | tr -c '[:print:]\n' ' '
END

# zsh_completes LINE PATTERN NAME: the pattern, of the shell, appears behind the line
zsh_completes() {
    timeout 150 zsh -f complete.zsh "$top/completions" "$build" "$work" "$1" "$2" >out 2>&1
    case $(cat out) in
    *$2*) report 0 "zsh: $3" ;;
    *)
        report 1 "zsh: $3"
        sed 's/^/# /' out
        ;;
    esac
}
if command -v zsh >/dev/null; then
    zsh_completes 'vlm-sim --on-err' '--on-error' 'an option'
    zsh_completes 'vlm-sim --on-error=' 'fail*record*skip' 'choices'
    zsh_completes 'vlm-sim --li' '--line-buffered' 'a flag'
    zsh_completes 'vlm-train --weight' '--weight-decay' 'another command'
    zsh_completes 'vlm-embed pict' 'picture.jpg' 'a file'
else
    report 0 'zsh # SKIP it is not installed'
fi

fish_completes() { # LINE, FIRST WORDS EXPECTED, NAME
    is "$(fish --no-config -c "set PATH $build \$PATH; source $top/completions/vlm.fish; complete -C '$1'" |
        cut -f1 | tr '\n' ' ' | sed 's/ $//')" "$2" "fish: $3"
}
if command -v fish >/dev/null; then
    fish_completes 'vlm-sim --on-err' '--on-error' 'an option'
    fish_completes 'vlm-sim --on-error ' 'fail record skip' 'choices'
    fish_completes 'vlm-sim --on-error=s' '--on-error=skip' 'a choice behind ='
    fish_completes 'vlm-train --weight' '--weight-decay' 'another command'
    fish_completes 'vlm-embed pict' 'picture.jpg' 'a file'
else
    report 0 'fish # SKIP it is not installed'
fi
ok 'a list of options for the shells' vlm-sim --list-options
finish
