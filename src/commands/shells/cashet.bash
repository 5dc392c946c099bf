# Completion of cashet for bash. Load it with: source <(cashet completions bash)

_cashet() {
    local words=() places=() place word full line kind prefix current=${COMP_WORDS[COMP_CWORD]}
    # bash splits words at = and : although nobody typed a blank there: put them together again.
    for ((place = 1; place <= COMP_CWORD; place++)); do
        word=${COMP_WORDS[place]}
        if ((${#words[@]})) && [[ $word == [=:]* || ${words[-1]} == *[=:] ]]; then
            words[-1]+=$word
        else
            words+=("$word")
            places+=("$place")
        fi
    done
    COMPREPLY=()
    full=${words[-1]}
    [[ $current == [=:]* ]] && current=
    prefix=${full%"$current"}
    while IFS= read -r line; do
        case $line in
            :files | :directories)
                [[ $line == :files ]] && kind=-f || kind=-d
                compopt -o filenames
                mapfile -t COMPREPLY < <(compgen "$kind" -- "$current")
                ;;
            ':command '*)
                place=${places[${line#:command }]}
                if declare -F _comp_command_offset >/dev/null; then
                    _comp_command_offset "$place"
                elif declare -F _command_offset >/dev/null; then
                    _command_offset "$place"
                elif ((place == COMP_CWORD)); then
                    mapfile -t COMPREPLY < <(compgen -c -- "$current")
                else
                    compopt -o filenames
                    mapfile -t COMPREPLY < <(compgen -f -- "$current")
                fi
                ;;
            *)
                line=${line%%$'\t'*}
                [[ $line == *= ]] && compopt -o nospace
                COMPREPLY+=("${line#"$prefix"}")
                ;;
        esac
    done < <("${COMP_WORDS[0]}" complete -- "${words[@]}" 2>/dev/null)
}

complete -F _cashet cashet
