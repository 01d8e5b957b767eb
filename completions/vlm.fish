# vlm.fish - completion for every command of vlm, which are asked for their options

for command in vlm-embed vlm-sim vlm-itm vlm-caption vlm-filter vlm-train vlm-eval vlm-convert vlm-page
    type -q $command; or continue
    $command --list-options 2>/dev/null | while read -l line
        set -l field (string split \t -- $line)
        set -l words -c $command -l (string sub -s 3 -- $field[1]) -d $field[6]
        test -n "$field[2]"; and set -a words -s (string sub -s 2 -- $field[2])
        switch $field[4]
            case flag
            case choice
                set -a words -x -a (string replace -a '|' ' ' -- $field[5])
            case folder
                set -a words -x -a '(__fish_complete_directories)'
            case file model
                set -a words -r
            case '*'
                set -a words -x
        end
        complete $words
    end
end
