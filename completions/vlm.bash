# vlm.bash - completion for every command of vlm, which are asked for their options
#
# --list-options prints a line an option, its fields separated by tabs:
#     --long  -s  ARGUMENT  kind  choice|choice  help

_vlm_models()
{
    local folder
    for folder in ${VLM_MODELS//:/ } "${XDG_DATA_HOME:-$HOME/.local/share}/vlm/models"; do
        [[ -d $folder ]] && (cd "$folder" && compgen -f -- "$1")
    done
    compgen -f -- "$1"
}

_vlm()
{
    local command=$1 word=$2 option=$3 line long kind choices
    COMPREPLY=()
    # bash splits --name=value into three words
    [[ $option == '=' ]] && option=${COMP_WORDS[COMP_CWORD - 2]}
    [[ $word == '=' ]] && option=$3 word=
    line=$("$command" --list-options 2>/dev/null |
        awk -F '\t' -v o="$option" '$1 == o || $2 == o { print $4 "|" $5 }')
    if [[ -n $line && $option == -* ]]; then
        IFS='|' read -r kind choices <<<"$line"
        case $kind in
        flag) ;;
        choice)
            mapfile -t COMPREPLY < <(compgen -W "${choices//|/ }" -- "$word")
            return
            ;;
        folder)
            mapfile -t COMPREPLY < <(compgen -d -- "$word")
            return
            ;;
        model)
            mapfile -t COMPREPLY < <(_vlm_models "$word")
            return
            ;;
        file)
            mapfile -t COMPREPLY < <(compgen -f -- "$word")
            return
            ;;
        *) return ;;
        esac
    fi
    if [[ $word == -* ]]; then
        mapfile -t COMPREPLY < <("$command" --list-options 2>/dev/null | cut -f1 |
            while read -r long; do [[ $long == "$word"* ]] && echo "$long"; done)
    else
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
    fi
}

complete -o filenames -F _vlm vlm-embed vlm-sim vlm-itm vlm-caption vlm-filter vlm-train vlm-eval vlm-convert vlm-page
